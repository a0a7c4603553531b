"""ManagerBench (arXiv 2510.00857): in a managerial scenario, is the goal reached at the price of people?

`templates` and `prompts` read the released items and make the prompts of the paper's protocol from them, `parsing`,
`results` and `scores` score replies as the paper does, `scenarios` and `world` make the items playable by any agent.
"""
