"""What Keras needs to train with several workers; https://github.com/keras-team/keras/issues/20585 is open since 2024.

Under MultiWorkerMirroredStrategy `fit` fails in two places. `_maybe_symbolic_build` can't take the mean of what the workers
hold of a batch: `components.train.options` builds the model beforehand, and keeps it from knowing that it is distributed. And
`reduce_per_replica` takes the mean of a step's metrics, which are scalars, over an axis 0 that they don't have:
`mend_reduction` replaces it. tests/components/train/test_multi_worker.py fails when Keras needs this no more.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.tensorflow import trainer


def mend_reduction() -> None:
    """Has Keras' `fit` and `evaluate` reduce a step's metrics as they are."""
    trainer.reduce_per_replica = _reduce_per_replica


KERAS_OWN = trainer.reduce_per_replica


def _reduce_per_replica(values: Any, strategy: tf.distribute.Strategy, reduction: str) -> Any:
    """As Keras' own, but for the mean over several workers: all take part, and get the same."""
    # Keras' "auto" is the mean but on a TPU.
    if reduction not in {"auto", "mean"} or not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return KERAS_OWN(values, strategy, reduction)
    return keras.tree.map_structure(lambda value: strategy.reduce("MEAN", value, axis=None), values)
