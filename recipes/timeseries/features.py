"""Windows → z-scores and waves, in TFT's graph; and the way back to the targets' units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from recipes.contract import LABEL_KEY, RecipeError, Windows
from recipes.timeseries.baselines import SERIES_KEY
from recipes.timeseries.params import Signal

PERIODS_S: dict[Signal, float] = {"day": 86_400.0, "year": 365.2425 * 86_400.0}
_FAR = 1e6


def columns_of(windows: Windows) -> list[str]:
    """The input columns, the targets first."""
    return list(dict.fromkeys([*windows.targets, *windows.inputs]))


def make_features(
    inputs: Mapping[str, tf.Tensor], windows: Windows, signals: Sequence[Signal], label: str
) -> dict[str, tf.Tensor]:
    """`SERIES_KEY`, and where the label is there `LABEL_KEY`: z-scores too, float32 [batch, label_width, targets].

    Mean and variance are those of all values of a column in all windows of train: two analyzers for all columns.
    """
    columns = columns_of(windows)
    # float64: a pressure of 1,000 ± 6 must not lose its digits.
    values = tf.cast(tf.stack([inputs[name] for name in columns], axis=2), tf.float64)
    rows = tf.reshape(values, [-1, len(columns)])
    mean = tft.mean(rows, reduce_instance_dims=False)
    deviation = tf.sqrt(tft.var(rows, reduce_instance_dims=False))
    parts = [tf.math.divide_no_nan(values - mean, deviation)]
    if signals:
        seconds = tf.cast(inputs[windows.time], tf.float64)
        for signal in signals:
            angle = seconds * (2.0 * math.pi / PERIODS_S[signal])
            parts += [tf.sin(angle)[:, :, tf.newaxis], tf.cos(angle)[:, :, tf.newaxis]]
    features = {SERIES_KEY: tf.cast(tf.concat(parts, axis=2), tf.float32)}
    if label in inputs:
        num_targets = len(windows.targets)
        future = tf.reshape(tf.cast(inputs[label], tf.float64), [-1, windows.label_width, num_targets])
        scaled = tf.math.divide_no_nan(future - mean[:num_targets], deviation[:num_targets])
        features[LABEL_KEY] = tf.cast(scaled, tf.float32)
    return features


@dataclass(frozen=True)
class Units:
    """Mean and standard deviation of each target over train, float32 [targets]: z * scale + mean are its own units."""

    mean: np.ndarray
    scale: np.ndarray


def units_of(transform_output: Any, windows: Windows, signals: Sequence[Signal]) -> Units:
    """Asks the transform graph, which is linear in the targets, so that two values tell it.

    Raises: RecipeError if a target never varies in train.
    """
    shape = [2, windows.input_width]
    probe = tf.constant(np.repeat([[0.0], [_FAR]], windows.input_width, axis=1), tf.float32)
    raw = dict.fromkeys(columns_of(windows), probe)
    if signals:
        raw[windows.time] = tf.zeros(shape, tf.int64)
    transformed = transform_output.transform_features_layer()(raw)[SERIES_KEY].numpy()
    at_zero, far = transformed[:, 0, : len(windows.targets)].astype(np.float64)
    constant = [name for name, same in zip(windows.targets, at_zero == far, strict=True) if same]
    if constant:
        raise RecipeError(
            f"data.windows.targets: '{constant[0]}' has one value in all of train. Expected one that varies. "
            "Forecast another column, or look for what is wrong with the data."
        )
    scale = _FAR / (far - at_zero)
    return Units((-at_zero * scale).astype(np.float32), scale.astype(np.float32))
