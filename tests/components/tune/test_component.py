"""A trial's curve is kept."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow  # imports TFX


def test_a_trial_is_summarised_with_its_curve() -> None:
    from components.tune.component import summarise

    state = {
        "trial_id": "00",
        "status": "COMPLETED",
        "score": 0.5,
        "best_step": 1,
        "hyperparameters": {"space": [], "values": {"units": 32}},
        "metrics": {
            "metrics": {
                "loss": {"direction": "min", "observations": [{"value": [0.9], "step": 0}, {"value": [0.6], "step": 1}]},
                "val_loss": {"direction": "min", "observations": [{"value": [0.8], "step": 0}, {"value": [0.5], "step": 1}]},
            }
        },
    }
    assert summarise(state) == {
        "id": "00",
        "status": "COMPLETED",
        "score": 0.5,
        "best_epoch": 1,
        "hyperparameters": {"units": 32},
        "epochs": [{"loss": 0.9, "val_loss": 0.8}, {"loss": 0.6, "val_loss": 0.5}],
    }
