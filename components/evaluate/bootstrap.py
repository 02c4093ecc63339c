"""The bootstrap: how far a metric would move if the test split had been drawn again."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from components.evaluate.metrics import Estimator, Floats

_MAX_CELLS = 2**18
"""Cells of a matrix of weights: 2 MiB, which a core's cache holds, and a bound whatever the size of the test split."""


def resample(num_examples: int, num_resamples: int, seed: Sequence[int]) -> Iterator[Floats]:
    """Draws as many examples as there are, with replacement; yields how often each was drawn, [some resamples, examples].

    The same arguments give the same draws, so two models measured on them are compared in pairs.
    """
    for drawn in _draw(num_examples, num_resamples, seed):
        yield _count(drawn)


def bootstrap(estimators: Sequence[Estimator], num_examples: int, num_resamples: int, seed: Sequence[int]) -> Floats:
    """Values of each estimator on the same resamples, [estimators, resamples].

    Draws come from one generator, one after the other; the cores that there are count and estimate them, to the same values.
    """
    num_workers = os.cpu_count() or 1
    with ThreadPoolExecutor(num_workers) as workers:
        under_way: deque[Future[Floats]] = deque()
        found: list[Floats] = []
        for drawn in _draw(num_examples, num_resamples, seed):
            if len(under_way) > num_workers:  # no more wait, and hold memory, than keep all cores busy
                found.append(under_way.popleft().result())
            under_way.append(workers.submit(_estimate, estimators, drawn))
        found += [each.result() for each in under_way]
    return np.concatenate(found, axis=1)


def _draw(num_examples: int, num_resamples: int, seed: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Positions of examples, [some resamples, examples]."""
    generator = np.random.default_rng(list(seed))
    rows = max(1, _MAX_CELLS // max(1, num_examples))
    for start in range(0, num_resamples, rows):
        yield generator.integers(0, num_examples, size=(min(rows, num_resamples - start), num_examples))


def _count(drawn: NDArray[np.int64]) -> Floats:
    rows, num_examples = drawn.shape
    drawn += np.arange(rows)[:, None] * num_examples
    return np.bincount(drawn.ravel(), minlength=rows * num_examples).reshape(rows, num_examples).astype(np.float64)


def _estimate(estimators: Sequence[Estimator], drawn: NDArray[np.int64]) -> Floats:
    weights = _count(drawn)
    return np.stack([estimate(weights) for estimate in estimators])


def interval(values: Floats, confidence: float) -> tuple[float, float] | None:
    """The percentile interval; None where the metric is undefined on so many resamples that it would mislead."""
    defined = values[~np.isnan(values)]
    if len(defined) < 0.5 * len(values):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)
