"""A Keras model within another, in inference mode whatever the outer one does."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="tensorline")
class InferenceLayer(keras.layers.Layer):
    """Calls a model with training=False, so that its batch normalisation, dropout and augmentation stay as they are.

    `model(images, training=False)` does not in a functional model: Keras 3 replaces it by the outer call's `training`
    (keras.src.models.functional.operation_fn).
    """

    def __init__(self, model: keras.Model, **kwargs: Any) -> None:
        """Takes a model of one input and one output."""
        super().__init__(**kwargs)
        self.model = model

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """As the model."""
        return self.model(inputs, training=False)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.model.compute_output_shape(input_shape)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Nothing to do: the model has its weights."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "model": keras.saving.serialize_keras_object(self.model)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InferenceLayer:
        return cls(**{**config, "model": keras.saving.deserialize_keras_object(config["model"])})
