"""Episodes as rich renderables: `frames` makes them, replay and the pictures show them."""

from safegym.frames.scenes import SHORT, WHOLE, Folding, Grades, briefs, ending, frames, header

__all__ = ["SHORT", "WHOLE", "Folding", "Grades", "briefs", "ending", "frames", "header"]
