"""A learning rate that follows the whole of a training, which only `fit` knows the length of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

WARM_UP = 0.1
"""Share of the steps in which the rate rises."""


def num_batches(dataset: tf.data.Dataset) -> int:
    """Batches an epoch; takes a pass over the data if the dataset does not know."""
    known = int(dataset.cardinality())
    return known if known >= 0 else int(dataset.reduce(np.int64(0), lambda count, _: count + 1))


class CosineSchedule(keras.callbacks.Callback):
    """The rate rises from 0 to the optimizer's own, then falls to 0 on half a cosine.

    Loshchilov & Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts" (without restarts); the warm-up as
    Goyal et al. 2017. At the end the optimizer gets its own rate back.
    """

    def __init__(self, steps_per_epoch: int, epochs: int, first_epoch: int = 0) -> None:
        """Plans the rate.

        Args:
            steps_per_epoch: Batches an epoch.
            epochs: As `fit` takes it: the number of the last epoch.
            first_epoch: The rate rises from here, as `fit`'s `initial_epoch`.
        """
        super().__init__()
        self._steps_per_epoch, self._first_epoch = steps_per_epoch, first_epoch
        self._num_steps = max(1, (epochs - first_epoch) * steps_per_epoch)
        self._epoch, self._peak = first_epoch, 0.0

    def rate(self, step: int) -> float:
        """The share of the optimizer's rate at a step, counted from 0."""
        warm_up = WARM_UP * self._num_steps
        if step < warm_up:
            return (step + 1) / (warm_up + 1)
        return 0.5 * (1.0 + math.cos(math.pi * (step - warm_up) / (self._num_steps - warm_up)))

    def on_train_begin(self, logs: Any = None) -> None:
        self._peak = float(self.model.optimizer.learning_rate.numpy())  # also of one that replicas share

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        step = (self._epoch - self._first_epoch) * self._steps_per_epoch + batch
        self.model.optimizer.learning_rate = self._peak * self.rate(step)

    def on_train_end(self, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = self._peak
