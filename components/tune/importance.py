"""How much of the scores' spread each hyperparameter explains by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MIN_TRIALS = 6
"""Fewer completed trials tell nothing."""
_MAX_GROUPS, _TRIALS_A_GROUP = 4, 3
METHOD = "η² of Kruskal and Wallis' H"


def importance(trials: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, float]:
    """Hyperparameter → share of the variance of the ranks of the scores that its groups of values explain, 0 to 1.

    η²_H = (H - k + 1) / (n - k), for Kruskal and Wallis' H over n trials in k groups (Tomczak & Tomczak 2014, "The need to
    report effect size estimates revisited"). It is about 0 for a hyperparameter without effect, however many groups it has,
    needs no line nor any order of the values, and a diverged trial counts no more than any other bad one. Groups are equal
    values; of numbers with many values groups of about equal size, up to four, with three trials or more in each; and the
    trials that have no value. What hyperparameters do only together is not seen, and few trials say little.

    Args:
        trials: Completed ones, as in `trials.json`.
        names: Hyperparameters; those that less than two groups of trials tell apart are left out.

    Returns: The most important first; empty for fewer than `MIN_TRIALS` trials.
    """
    if len(trials) < MIN_TRIALS:
        return {}
    ranks = _ranks(np.array([trial["score"] for trial in trials], dtype=float))
    found = {}
    for name in names:
        groups = _groups([trial["hyperparameters"].get(name) for trial in trials])
        num_groups = len(np.unique(groups))
        if 2 <= num_groups < len(trials):
            found[name] = _eta_squared(ranks, groups, num_groups)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _eta_squared(ranks: np.ndarray, groups: np.ndarray, num_groups: int) -> float:
    total = float(np.sum((ranks - ranks.mean()) ** 2))
    if total == 0:  # all scores are the same
        return 0.0
    between = sum(
        float(np.sum(groups == group)) * (float(ranks[groups == group].mean()) - float(ranks.mean())) ** 2
        for group in np.unique(groups)
    )
    h = (len(ranks) - 1) * between / total  # with the correction for ties
    return float(np.clip((h - num_groups + 1) / (len(ranks) - num_groups), 0.0, 1.0))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 on; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: np.ndarray = (last - (counts - 1) / 2)[inverse]
    return mean


def _groups(values: Sequence[Any]) -> np.ndarray:
    """The group of each trial, by number; 0 are the trials without a value."""
    present = [value for value in values if value is not None]
    different = sorted(set(present))
    most = min(_MAX_GROUPS, max(2, len(present) // _TRIALS_A_GROUP))
    if len(different) > most and not isinstance(different[0], str):
        quantiles = np.quantile(np.array(present, dtype=float), np.linspace(0, 1, most + 1)[1:-1])
        return np.array([0 if value is None else 1 + int(np.searchsorted(quantiles, value)) for value in values])
    return np.array([0 if value is None else 1 + different.index(value) for value in values])
