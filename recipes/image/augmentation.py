"""Random changes of training images, as one Keras layer within the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recipes.image.params import Augment

VALUE_RANGES = {"zero_one": (0.0, 1.0), "minus_one_one": (-1.0, 1.0), "none": (0.0, 255.0)}
"""transform.normalise → the least and the greatest value of a pixel; standardise has none."""


@keras.saving.register_keras_serializable(package="tensorline")
class Augmentation(keras.layers.Layer):
    """Random layers, one after the other, that act with training=True alone.

    Keras' own act also where nobody says whether it is training: `model(images)` would answer for changed images.
    """

    def __init__(self, steps: Sequence[keras.layers.Layer], **kwargs: Any) -> None:
        """Takes the layers, each of which maps [batch, height, width, channels] to the same."""
        super().__init__(**kwargs)
        self.steps = list(steps)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for step in self.steps:
            step.build(input_shape)

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The changed images if `training`, else the same; [batch, height, width, channels]."""
        if training:
            for step in self.steps:
                images = step(images, training=True)
        return images

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "steps": [keras.saving.serialize_keras_object(step) for step in self.steps]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Augmentation:
        steps = [keras.saving.deserialize_keras_object(step) for step in config["steps"]]
        return cls(**{**config, "steps": steps})


def augmentation(params: Augment, normalise: str, random: np.random.Generator) -> Augmentation | None:
    """The layer that `params` asks for; None if it asks for no change.

    Args:
        params: How strong each change is.
        normalise: transform.normalise, which says what is black, and where contrast and brightness end.
        random: Seeds the changes.
    """
    low, high = VALUE_RANGES.get(normalise, (0.0, 0.0))
    layers = keras.layers
    steps: list[keras.layers.Layer] = []

    def seed() -> int:
        return int(random.integers(2**31))

    if params.flip != "none":
        mode = {"both": "horizontal_and_vertical"}.get(params.flip, params.flip)
        steps.append(layers.RandomFlip(mode, seed=seed(), name="flip"))
    if params.crop:
        # Shifted by the nearest whole pixel, and what comes into view reflected: as if padded, then cropped.
        steps.append(layers.RandomTranslation(params.crop, params.crop, interpolation="nearest", seed=seed(), name="crop"))
    if params.rotation:
        steps.append(layers.RandomRotation(params.rotation, seed=seed(), name="rotation"))
    if params.zoom:
        steps.append(layers.RandomZoom(params.zoom, seed=seed(), name="zoom"))
    if params.contrast:
        steps.append(layers.RandomContrast(params.contrast, value_range=(low, high), seed=seed(), name="contrast"))
    if params.brightness:
        steps.append(layers.RandomBrightness(params.brightness, value_range=(low, high), seed=seed(), name="brightness"))
    if params.cutout:
        # DeVries & Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout". Keras takes the square
        # root of a number from this range, for height and for width, and erases in every image (1, 1).
        scale = (0.0, params.cutout**2)
        steps.append(
            layers.RandomErasing((1, 1), scale=scale, fill_value=low, value_range=(low, high), seed=seed(), name="cutout")
        )
    return Augmentation(steps, name="augmentation") if steps else None
