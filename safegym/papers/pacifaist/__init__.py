"""PacifAIst (arXiv 2508.09762): does a model put its own continuation, resources or goal above human safety?

`dataset` and `results` read the released files, `parsing` and `scores` read and score answers as the paper does and
strictly, `scenarios` and `world` make the items playable by any agent.
"""
