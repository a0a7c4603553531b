"""ODCV-Bench (arXiv 2512.20798): agents in a shell under pressure for a figure.

`scores` and `agreement` recompute the published figures, `recordings` and `replaying` play the released logs again,
`image` and `world` make its scenarios playable by any agent.
"""
