"""The bootstrap: seeded, paired, bounded in memory, and as wide as theory says."""

from __future__ import annotations

import math

import numpy as np
import pytest

from components.evaluate import bootstrap as module
from components.evaluate.bootstrap import bootstrap, interval, resample
from components.evaluate.metrics import METRICS

MAE = METRICS["regression"]["mae"]


def test_every_resample_draws_as_many_examples_as_there_are():
    weights = np.concatenate(list(resample(50, 20, (1,))))
    assert weights.shape == (20, 50)
    assert (weights.sum(axis=1) == 50).all()


def test_the_seed_alone_decides_not_the_chunks(monkeypatch):
    whole = np.concatenate(list(resample(50, 20, (1,))))
    monkeypatch.setattr(module, "_MAX_CELLS", 150)
    chunks = list(resample(50, 20, (1,)))
    assert [len(chunk) for chunk in chunks] == [3, 3, 3, 3, 3, 3, 2]
    assert (np.concatenate(chunks) == whole).all()
    assert (np.concatenate(list(resample(50, 20, (2,)))) != whole).any()


def test_more_examples_than_a_chunk_holds(monkeypatch):
    monkeypatch.setattr(module, "_MAX_CELLS", 10)
    assert [chunk.shape for chunk in resample(50, 2, (1,))] == [(1, 50), (1, 50)]


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    errors = np.random.default_rng(0).normal(10, 2, 2000)
    values = bootstrap([MAE.estimator(np.zeros(2000), errors)], 2000, 4000, (0,))[0]
    half = 1.96 * errors.std() / math.sqrt(2000)
    assert interval(values, 0.95) == pytest.approx((errors.mean() - half, errors.mean() + half), abs=0.15 * half)


def test_pairs_cancel_what_both_get_wrong():
    labels = np.random.default_rng(0).normal(0, 5, 500)
    estimators = [MAE.estimator(labels, np.zeros(500)), MAE.estimator(labels, np.full(500, 0.1))]
    first, second = bootstrap(estimators, 500, 500, (0,))
    paired, single = interval(first - second, 0.95), interval(first, 0.95)
    assert paired is not None
    assert single is not None
    assert paired[1] - paired[0] < 0.1 * (single[1] - single[0])


@pytest.mark.parametrize(("undefined", "expected"), [(0, (1.0, 1.0)), (5, (1.0, 1.0)), (6, None), (10, None)])
def test_no_interval_where_most_resamples_are_undefined(undefined, expected):
    assert interval(np.array([math.nan] * undefined + [1.0] * (10 - undefined)), 0.9) == expected
