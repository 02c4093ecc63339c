"""What a search or a training watches."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from components.train.objective import objective

RECIPE = SimpleNamespace(objective="val_auc", objective_direction="max")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, ("val_auc", "max")),
        ("val_auc", ("val_auc", "max")),
        ("val_accuracy", ("val_accuracy", "max")),
        ("val_aucpr", ("val_aucpr", "max")),
        ("val_loss", ("val_loss", "min")),
        ("val_mae", ("val_mae", "min")),
        ("val_mean_squared_error", ("val_mean_squared_error", "min")),
    ],
)
def test_direction_follows_the_metric(name: str | None, expected: tuple[str, str]) -> None:
    assert objective(name, RECIPE) == expected
