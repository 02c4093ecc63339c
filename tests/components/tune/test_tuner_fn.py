"""Every algorithm searches the recipe's space on eval, and tells how it goes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from components import progress

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("algorithm", "oracle"),
    [("random", "RandomSearchOracle"), ("bayesian", "BayesianOptimizationOracle"), ("hyperband", "HyperbandOracle")],
)
def test_a_search_publishes_its_trials(fn_args: Callable[..., SimpleNamespace], algorithm: str, oracle: str) -> None:
    from components.tune.tuner_fn import tuner_fn

    settings = {"algorithm": algorithm, "max_trials": 2, "epochs": 2, "objective": "val_accuracy"}
    result = tuner_fn(fn_args(tune=settings, train={"early_stopping": None}))
    assert type(result.tuner.oracle).__name__ == oracle
    assert (result.tuner.oracle.objective.name, result.tuner.oracle.objective.direction) == ("val_accuracy", "max")
    published = []
    with progress.listening(lambda metrics, step, num_steps: published.append((list(metrics), step, num_steps))):
        result.tuner.search(**result.fit_kwargs)
    assert published == [(["val_accuracy"], 1, 2), (["val_accuracy"], 2, 2)]
    best = result.tuner.get_best_hyperparameters()[0]
    assert {"learning_rate", "dropout"} <= set(best.values)


def test_the_same_seed_searches_the_same(fn_args: Callable[..., SimpleNamespace]) -> None:
    from components.tune.tuner_fn import tuner_fn

    scores = []
    for _ in range(2):
        result = tuner_fn(fn_args(tune={"max_trials": 2, "epochs": 1}))
        result.tuner.search(**result.fit_kwargs)
        scores.append([trial.score for trial in result.tuner.oracle.get_best_trials(2)])
    assert scores[0] == scores[1]
