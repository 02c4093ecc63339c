"""What `tune.space` may put in place of the recipe's own search space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras_tuner
import pytest
from keras_tuner.engine import hyperparameters as kinds

from components.errors import UserError
from components.tune.space import search_space


class Recipe:
    """As many units as layers, and one of each other kind."""

    def build(self, hp: keras_tuner.HyperParameters) -> None:
        hp.Float("learning_rate", 1e-4, 1e-2, sampling="log", default=1e-3)
        for layer in range(hp.Int("num_layers", 1, 4, default=2)):
            hp.Choice(f"units_{layer}", [16, 32, 64], default=32)
        hp.Choice("activation", ["relu", "tanh"])
        hp.Boolean("bias", default=True)


def found(overrides: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name → kind and values of what was overridden."""
    space = search_space(Recipe(), overrides).space
    return {hp.name: {"kind": type(hp).__name__, **hp.get_config()} for hp in space if hp.name in overrides}


def test_nothing_is_named_beforehand_without_overrides() -> None:
    assert search_space(Recipe(), {}).space == []


def test_values_ranges_and_fixed_values() -> None:
    spaced = found(
        {
            "learning_rate": {"min": 1e-5, "max": 1, "sampling": "log", "step": 10.0},
            "num_layers": {"min": 1.0, "max": 9.0, "sampling": "linear", "step": None},
            "units_0": {"values": [8, 64.0]},
            "units_3": {"values": [8, 32]},  # which the default model has not
            "activation": "tanh",
            "bias": False,
        }
    )
    shown = {
        name: {key: config[key] for key in config if key not in {"name", "conditions", "ordered"}}
        for name, config in spaced.items()
    }
    assert shown == {
        "learning_rate": {
            "kind": "Float",
            "min_value": 1e-5,
            "max_value": 1.0,
            "step": 10.0,
            "sampling": "log",
            "default": 1e-5,
        },
        "num_layers": {"kind": "Int", "min_value": 1, "max_value": 9, "step": 1, "sampling": "linear", "default": 2},
        "units_0": {"kind": "Choice", "values": [8, 64], "default": 8},
        "units_3": {"kind": "Choice", "values": [8, 32], "default": 32},
        "activation": {"kind": "Fixed", "value": "tanh"},
        "bias": {"kind": "Fixed", "value": False},
    }


def test_what_is_not_overridden_stays() -> None:
    space = {hp.name: hp for hp in search_space(Recipe(), {"num_layers": 1}).space}
    assert isinstance(space["learning_rate"], kinds.Float)
    hp = search_space(Recipe(), {"num_layers": 1})
    Recipe().build(hp)
    assert hp.values["num_layers"] == 1


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(UserError) as raised:
        search_space(
            Recipe(),
            {
                "learning_rat": 1e-3,
                "learning_rate": "fast",
                "num_layers": {"min": 0.5, "max": 2.0, "sampling": "linear", "step": None},
                "units_0": {"values": [16, 32.5]},
                "activation": {"values": ["relu", "gelu"]},
                "bias": {"min": 0.0, "max": 1.0, "sampling": "linear", "step": None},
            },
        )
    assert str(raised.value) == (
        "tune.space.learning_rat: the recipe has no such hyperparameter. Did you mean 'learning_rate'? It has: activation, "
        "bias, learning_rate, num_layers, units_0, units_1, units_2, units_3.\n"
        "tune.space.learning_rate: expected a number, got 'fast'.\n"
        "tune.space.num_layers: expected an integer, got 0.5.\n"
        "tune.space.units_0: expected an integer, got 32.5.\n"
        "tune.space.activation: expected one of 'relu', 'tanh', got 'gelu'.\n"
        "tune.space.bias: it is chosen among true, false, which have no range. Give values: […], or one of them."
    )
    assert raised.value.exit_code == 2
