"""What the section `train` says is what the training does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from components import progress
from components.errors import UserError

pytestmark = pytest.mark.slow


def epochs(arguments: SimpleNamespace) -> list[dict[str, float]]:
    return json.loads((Path(arguments.model_run_dir) / "history.json").read_text())["epochs"]


def test_epochs_are_published_and_kept(fn_args: Callable[..., SimpleNamespace]) -> None:
    from components.train.run_fn import run_fn

    arguments = fn_args(train={"epochs": 3, "early_stopping": None, "class_weights": "balanced", "learning_rate": 0.01})
    published = []
    with progress.listening(lambda metrics, step, num_steps: published.append((dict(metrics), step, num_steps))):
        run_fn(arguments)
    kept = epochs(arguments)
    assert [(step, num_steps) for _, step, num_steps in published] == [(1, 3), (2, 3), (3, 3)]
    assert [metrics for metrics, *_ in published] == kept
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= set(kept[0])
    assert "Total params" in (Path(arguments.model_run_dir) / "model.txt").read_text()


def test_class_weights_change_the_loss_and_the_learning_rate_the_course(fn_args: Callable[..., SimpleNamespace]) -> None:
    from components.train.run_fn import run_fn

    losses = {}
    variants = {"plain": {}, "again": {}, "weighted": {"class_weights": {"Chinstrap": 5.0}}, "slow": {"learning_rate": 1e-5}}
    for name, change in variants.items():
        arguments = fn_args(train={"epochs": 2, "early_stopping": None, **change})
        run_fn(arguments)
        losses[name] = epochs(arguments)[-1]["loss"]
    assert losses["plain"] == losses["again"]
    assert len(set(losses.values())) == 3


def test_early_stopping_restores_the_best_weights(fn_args: Callable[..., SimpleNamespace]) -> None:
    from components.train.run_fn import run_fn

    # No epoch can be better by 10, so the first stays the best and patience runs out after two more.
    settings = {"monitor": "val_loss", "patience": 2, "min_delta": 10.0}
    arguments = fn_args(train={"epochs": 20, "early_stopping": settings})
    run_fn(arguments)
    assert len(epochs(arguments)) == 3


def test_a_metric_that_the_model_lacks_is_named(fn_args: Callable[..., SimpleNamespace]) -> None:
    from components.train.run_fn import run_fn

    with pytest.raises(UserError) as raised:
        run_fn(fn_args(train={"epochs": 1, "early_stopping": {"monitor": "val_auk", "patience": 1, "min_delta": 0.0}}))
    assert str(raised.value) == (
        "train.early_stopping.monitor: the model has no metric 'val_auk'. It has: accuracy, loss, val_accuracy, val_loss."
    )
