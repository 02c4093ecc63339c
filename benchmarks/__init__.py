"""Measures the stages: ratios against a baseline in the same run."""
