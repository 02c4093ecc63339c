"""The custom loop: goes on from its checkpoints, and takes the place of Keras' `fit` within recipes' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # imports TensorFlow


class KilledError(Exception):
    """Stands for a process that dies."""


def small_model() -> tuple[Any, Any]:
    """A compiled model, and batches to fit it to."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    inputs = keras.Input([2], name="x")
    model = keras.Model({"x": inputs}, keras.layers.Dense(1)(keras.layers.Dense(4, "tanh")(inputs)))
    model.compile(keras.optimizers.Adam(0.05), loss="mse", metrics=["mae"])
    x = np.random.default_rng(3).normal(size=(50, 2)).astype(np.float32)
    return model, tf.data.Dataset.from_tensor_slices(({"x": x}, x[:, :1] * x[:, 1:])).batch(16)


def test_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    from components.train import loop

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KilledError

    strategy = tf.distribute.get_strategy()
    whole, data = small_model()
    expected = loop.fit(whole, strategy, None, data, epochs=5).history["loss"]
    model, data = small_model()
    with pytest.raises(KilledError):
        loop.fit(model, strategy, None, data, epochs=5, callbacks=[Kill()], checkpoints=tmp_path)
    model, data = small_model()
    history = loop.fit(model, strategy, None, data, epochs=5, checkpoints=tmp_path)
    assert history.epoch == [2, 3, 4]
    assert history.history["loss"] == expected[2:]
    for weight, other in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)


@pytest.mark.parametrize("strategy", ["default", "one_device"])
def test_a_recipe_with_a_schedule_of_its_own_trains_in_either_loop(strategy: str) -> None:
    import keras_tuner
    import tensorflow as tf

    from components.train.options import apply_options, building
    from components.train.strategy import create_strategy
    from tests.components.train.test_strategies import SETTINGS
    from tests.recipes.image.conftest import make_images, make_recipe

    images, labels = make_images(rows=40)
    data = tf.data.Dataset.from_tensor_slices(({"image": images}, labels)).batch(16)
    histories = []
    for loop in ("fit", "custom"):
        settings = {**SETTINGS, "loop": loop, "strategy": strategy}
        recipe = make_recipe(schedule="cosine", filters=[4])
        hp = keras_tuner.HyperParameters()
        made = create_strategy(settings)
        with building(settings, made):
            model = recipe.build(hp)
        apply_options(model, settings, made)
        histories.append(recipe.fit(hp, model, data, validation_data=data, epochs=3, shuffle=False, verbose=0).history)
    assert list(histories[0]) == list(histories[1])
    for name, values in histories[0].items():
        assert histories[1][name] == pytest.approx(values, rel=1e-4), name
    assert histories[0]["loss"][-1] < histories[0]["loss"][0]


def test_a_recipe_that_compiles_again_trains_in_either_loop() -> None:
    import keras_tuner
    import tensorflow as tf

    from components.train.options import apply_options
    from tests.components.train.test_strategies import SETTINGS
    from tests.recipes.tabular.test_models import SPEC, make_recipe

    random = np.random.default_rng(0)
    columns = {
        name: random.normal(size=(40, 3)).astype(np.float32)[:, : spec.shape[0]]
        if spec.dtype == tf.float32
        else random.integers(5, size=(40, 1))
        for name, spec in SPEC.items()
    }
    labels = 100.0 + 30.0 * columns["numeric"][:, :1]
    data = tf.data.Dataset.from_tensor_slices((columns, labels)).batch(16)
    histories = []
    for loop in ("fit", "custom"):
        recipe = make_recipe("price", kind="deep", hidden_units=[8], dropout=0.0)
        hp = keras_tuner.HyperParameters()
        model = recipe.build(hp)
        apply_options(model, {**SETTINGS, "loop": loop, "clip_norm": 1.0}, tf.distribute.get_strategy())
        histories.append(recipe.fit(hp, model, data, validation_data=data, epochs=3, shuffle=False, verbose=0).history)
    for name, values in histories[0].items():
        assert histories[1][name] == pytest.approx(values, rel=1e-5), name
