"""The taxi example of TFX's wheel as a recipe: its features, its network, its thousand steps of 40 examples.

The benchmark copies this file to pipelines/stock_taxi/recipe.py of a repository of its own.
"""

# ruff: noqa: SLF001  the example is made of private names
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tensorflow as tf
import tensorflow_transform as tft
from tfx.examples.chicago_taxi_pipeline import taxi_utils_native_keras as stock

from recipes.classification import Classifier
from recipes.contract import LABEL_KEY, InputKind

if TYPE_CHECKING:
    import keras
    import keras_tuner

CATEGORIES = stock._CATEGORICAL_FEATURE_KEYS[: len(stock._MAX_CATEGORICAL_FEATURE_VALUES)]
"""The example transforms four more, and its network takes none of them; of one there is hardly a value."""
STEPS_PER_EPOCH, VALIDATION_STEPS = 1000, 150
HIDDEN_UNITS = [max(2, int(100 * 0.7**layer)) for layer in range(4)]
"""As `run_fn` of the example computes them."""


class StockTaxi(Classifier):
    """What `taxi_utils_native_keras` does, told as a recipe."""

    params_package = "recipes.tabular"

    @property
    def inputs(self) -> dict[str, InputKind]:
        """The columns that the network looks at."""
        numbers = [*stock._DENSE_FLOAT_FEATURE_KEYS, *stock._BUCKET_FEATURE_KEYS, *CATEGORIES]
        return {**dict.fromkeys(numbers, "number"), **dict.fromkeys(stock._VOCAB_FEATURE_KEYS, "string")}

    def preprocessing_fn(self, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """The example's, but for the label, which ingest derives here."""

        def dense(key: str) -> tf.Tensor:
            raw = inputs[key]
            raw = raw.to_sparse() if isinstance(raw, tf.RaggedTensor) else raw
            return tf.reshape(stock._fill_in_missing(raw), [-1, 1])

        outputs = {}
        for key in stock._DENSE_FLOAT_FEATURE_KEYS:
            outputs[key] = tft.scale_to_z_score(tf.cast(dense(key), tf.float32))
        for key in stock._VOCAB_FEATURE_KEYS:
            outputs[key] = tft.compute_and_apply_vocabulary(
                dense(key), top_k=stock._VOCAB_SIZE, num_oov_buckets=stock._OOV_SIZE, vocab_filename=key
            )
        for key in stock._BUCKET_FEATURE_KEYS:
            outputs[key] = tft.bucketize(dense(key), stock._FEATURE_BUCKET_COUNT)
        for key in CATEGORIES:
            outputs[key] = dense(key)
        if self.label in inputs:
            outputs[LABEL_KEY] = self.label_ids(inputs[self.label])
        return outputs

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """The example's network, under names that fit the features here."""
        network = stock._build_keras_model(HIDDEN_UNITS)
        names = [tensor.name.removesuffix("_xf") for tensor in network.inputs]
        inputs = {
            name: tf.keras.Input((1,), dtype=tensor.dtype, name=name)
            for name, tensor in zip(names, network.inputs, strict=True)
        }
        model = tf.keras.Model(inputs, network([inputs[name] for name in names]))
        model.compile(tf.keras.optimizers.Adam(0.001), "binary_crossentropy", metrics=[tf.keras.metrics.BinaryAccuracy()])
        return model

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, data: tf.data.Dataset, **arguments: Any) -> Any:
        """One epoch of a thousand steps, as the example trains."""
        arguments["validation_data"] = arguments["validation_data"].unbatch().batch(40).repeat()
        return model.fit(data.repeat(), **arguments, steps_per_epoch=STEPS_PER_EPOCH, validation_steps=VALIDATION_STEPS)
