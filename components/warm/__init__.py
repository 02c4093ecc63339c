"""Warm stages: a server that has imported the libraries forks a process for each stage, which need not import them again.

`client` is what a stage begins with, and imports next to nothing; `server` waits and forks; `child` makes a fork as good as a
process of its own. What goes wrong here never fails a stage: it just runs cold.
"""
