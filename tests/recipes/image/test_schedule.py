"""The learning rate over a whole training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes.image.schedule import CosineSchedule, num_batches


class Rates(keras.callbacks.Callback):
    """Notes the rate of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.rates.append(float(self.model.optimizer.learning_rate))


def trained(first_epoch: int) -> tuple[list[float], float]:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.AdamW(0.5), loss="mse")
    dataset = tf.data.Dataset.from_tensor_slices((np.ones((10, 1)), np.ones((10, 1)))).batch(2)
    rates = Rates()
    schedule = CosineSchedule(num_batches(dataset), 4, first_epoch)
    model.fit(dataset, epochs=4, initial_epoch=first_epoch, callbacks=[schedule, rates], verbose=0)
    return rates.rates, float(model.optimizer.learning_rate)


@pytest.mark.parametrize("first_epoch", [0, 2])
def test_the_rate_rises_then_falls_and_comes_back(first_epoch: int) -> None:
    rates, after = trained(first_epoch)
    steps = (4 - first_epoch) * 5
    assert len(rates) == steps
    peak = int(np.argmax(rates))
    assert peak == round(0.1 * steps)
    assert max(rates) == 0.5
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert 0.0 < rates[-1] < 0.02
    assert after == 0.5


def test_batches_are_counted() -> None:
    known = tf.data.Dataset.range(7).batch(2)
    unknown = known.filter(lambda batch: tf.reduce_sum(batch) > 1)
    assert (num_batches(known), num_batches(unknown)) == (4, 3)
