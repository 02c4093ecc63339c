"""`tensorline verify`: holds what is there against what was recorded, and mends what can be mended.

`cache` and `workspace` look at what DVC keeps, `leftovers` at what killed processes left, `runs` and `models` at the MLflow
store. Each gives its findings, and mends them where it is asked to.
"""
