"""Drift and skew: profiles of data, and whether two of them are of the same distribution.

`build` makes a profile of a split, `compare` judges two of them, `report` writes and draws what came of it, `component` does
so as part of the stage validate, `serving` reads the log of requests.
"""
