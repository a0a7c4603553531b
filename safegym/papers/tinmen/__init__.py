"""Of Models and Tin Men (arXiv 2307.11137): whose interest does an agent with two masters serve, and whom does it tell?

`transcripts` reads the released files, `parsing` and `disclosure` read replies, `scores` and `tables` tell what came of
them. `wording`, `scenarios` and `world` ask the paper's question in words of our own, which needs no files.
"""
