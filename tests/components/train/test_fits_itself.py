"""A model that its recipe fits without Keras, as a forest: what of the section `train` means nothing to it is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import pytest
import tensorflow as tf

from components.errors import UserError
from components.train.options import apply_options, fits_itself

PLAIN: dict[str, Any] = {
    "strategy": "default",
    "loop": "fit",
    "mixed_precision": "none",
    "accumulate_steps": 1,
    "clip_norm": None,
    "jit_compile": "auto",
}


def uncompiled() -> keras.Model:
    inputs = keras.Input((1,))
    return keras.Model(inputs, keras.layers.Dense(1)(inputs))


def test_it_is_left_as_it_is() -> None:
    model = uncompiled()
    fit = model.fit
    apply_options(model, {**PLAIN, "jit_compile": False}, tf.distribute.get_strategy())
    assert fits_itself(model)
    assert model.fit == fit
    model.compile("sgd", "mse")
    assert not fits_itself(model)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("loop", "custom", "custom"),
        ("mixed_precision", "bfloat16", "bfloat16"),
        ("accumulate_steps", 4, "4"),
        ("clip_norm", 0.5, "0.5"),
        ("jit_compile", True, "true"),
    ],
)
def test_what_means_nothing_is_refused(key: str, value: Any, shown: str) -> None:
    with pytest.raises(UserError) as refused:
        apply_options(uncompiled(), {**PLAIN, key: value}, tf.distribute.get_strategy())
    assert str(refused.value) == (
        f"train.{key}: {shown}. The recipe's model learns without an optimizer, and the key means nothing to it. Remove {key}."
    )


def test_several_replicas_are_refused() -> None:
    strategy: Any = SimpleNamespace(num_replicas_in_sync=2)
    with pytest.raises(UserError) as refused:
        apply_options(uncompiled(), {**PLAIN, "strategy": "mirrored"}, strategy)
    assert str(refused.value) == (
        "train.strategy: mirrored with 2 replicas. The recipe's model has no gradients, and does not learn on several "
        "devices. Set strategy to default."
    )
