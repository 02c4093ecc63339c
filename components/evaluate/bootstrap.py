"""The bootstrap: how far a metric would move if the test split had been drawn again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from components.evaluate.metrics import Estimator, Floats

_MAX_CELLS = 2**21
"""Cells of a matrix of weights (16 MiB): bounds the memory, whatever the size of the test split."""


def resample(num_examples: int, num_resamples: int, seed: Sequence[int]) -> Iterator[Floats]:
    """Draws as many examples as there are, with replacement; yields how often each was drawn, [some resamples, examples].

    The same arguments give the same draws, so two models measured on them are compared in pairs.
    """
    generator = np.random.default_rng(list(seed))
    rows = max(1, _MAX_CELLS // max(1, num_examples))
    for start in range(0, num_resamples, rows):
        count = min(rows, num_resamples - start)
        drawn = generator.integers(0, num_examples, size=(count, num_examples))
        drawn += np.arange(count)[:, None] * num_examples
        yield np.bincount(drawn.ravel(), minlength=count * num_examples).reshape(count, num_examples).astype(np.float64)


def bootstrap(estimators: Sequence[Estimator], num_examples: int, num_resamples: int, seed: Sequence[int]) -> Floats:
    """Values of each estimator on the same resamples, [estimators, resamples]."""
    drawn = resample(num_examples, num_resamples, seed)
    return np.concatenate([np.stack([estimate(weights) for estimate in estimators]) for weights in drawn], axis=1)


def interval(values: Floats, confidence: float) -> tuple[float, float] | None:
    """The percentile interval; None where the metric is undefined on so many resamples that it would mislead."""
    defined = values[~np.isnan(values)]
    if len(defined) < 0.5 * len(values):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)
