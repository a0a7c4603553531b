"""Published benchmarks: read what their authors released, recompute what they printed, play their items with any agent.

One package per paper. What they share lies in `source`: problems with files that are told and do not stop the rest.
"""
