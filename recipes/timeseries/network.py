"""The networks of the tutorial "Time series forecasting", over a window of any width and for any number of steps."""

from __future__ import annotations

from typing import Any

import keras
import keras_tuner
import numpy as np

from recipes.contract import Windows
from recipes.timeseries.baselines import SERIES_KEY
from recipes.timeseries.layers import AutoregressiveLSTM, LastRow, initializers
from recipes.timeseries.params import ARCHITECTURES, ModelParams

FORECAST = "forecast"
"""Name of the layer that makes the forecasts; of a linear model it holds a weight for each value of the window."""
LEARNING_RATE = 1e-3
_UNITS = (8, 16, 32, 64, 128)


def build_network(
    shape: tuple[int, int], windows: Windows, params: ModelParams, hp: keras_tuner.HyperParameters, *, seed: int
) -> keras.Model:
    """A model that is not compiled yet: float32 [batch, rows, channels] → float32 [batch, label_width, targets].

    Args:
        shape: Rows and channels of a window.
        windows: How windows were cut.
        params: The values that `hp` gets as defaults.
        hp: Gets `architecture` and `units`.
        seed: Of initial weights, whatever was built before in this process.
    """
    random = np.random.default_rng(seed)
    # All are named, also where the architecture needs none: a search may vary both.
    architecture = hp.Choice("architecture", list(ARCHITECTURES), default=params.architecture)
    units = int(hp.Choice("units", sorted({*_UNITS, params.units}), default=params.units))
    series = keras.Input(shape, dtype="float32", name=SERIES_KEY)
    num_targets = len(windows.targets)
    if architecture == "autoregressive_lstm":
        # From the first row after the window on, though the first of them may not be asked for.
        steps = AutoregressiveLSTM(units, windows.shift, num_targets, _seed(random), name=FORECAST)(series)
        forecast = steps if windows.shift == windows.label_width else steps[:, -windows.label_width :]
    else:
        hidden = _hidden(architecture, series, units, params, random)
        forecast = _forecast(hidden, windows.label_width, num_targets)
    if architecture == "residual_lstm":
        # Most of what comes is what is; the network learns the rest (tutorial: ResidualWrapper).
        forecast = keras.layers.Add(dtype="float32", name="residual")([LastRow(num_targets, name="last")(series), forecast])
    return keras.Model({SERIES_KEY: series}, forecast, name=architecture)


def optimizer(learning_rate: float | None, hp: keras_tuner.HyperParameters) -> keras.optimizers.Optimizer:
    """Adam. `hp` gets `learning_rate`, unless one is given."""
    if learning_rate is None:
        learning_rate = hp.Float(
            "learning_rate", LEARNING_RATE / 10, LEARNING_RATE * 10, sampling="log", default=LEARNING_RATE
        )
    return keras.optimizers.Adam(learning_rate)


def _hidden(architecture: str, series: Any, units: int, params: ModelParams, random: np.random.Generator) -> Any:
    """[batch, numbers]: all that the forecast is a linear function of."""
    flatten = keras.layers.Flatten(name="flat")
    match architecture:
        case "linear":
            return flatten(series)
        case "dense":
            hidden = flatten(LastRow(name="last_row")(series))
        case "multi_step_dense":
            hidden = flatten(series)
        case "conv":
            kernel_size = min(params.kernel_size, series.shape[1])
            convolve = keras.layers.Conv1D(
                units, kernel_size, activation="relu", kernel_initializer=_glorot(random), name="convolution"
            )
            hidden = flatten(LastRow(name="last_row")(convolve(series)))
            return keras.layers.Dense(units, "relu", kernel_initializer=_glorot(random), name="hidden")(hidden)
        case _:
            return keras.layers.LSTM(units, name="lstm", **initializers(_seed(random)))(series)
    for layer in range(2):
        hidden = keras.layers.Dense(units, "relu", kernel_initializer=_glorot(random), name=f"hidden_{layer}")(hidden)
    return hidden


def _forecast(hidden: Any, steps: int, num_targets: int) -> Any:
    # In float32 from here on, also where mixed precision has the layers before compute in less. Zeros at first: the mean, and
    # of a residual model no change.
    flat = keras.layers.Dense(steps * num_targets, kernel_initializer="zeros", dtype="float32", name=FORECAST)(hidden)
    return keras.layers.Reshape((steps, num_targets), dtype="float32", name="steps")(flat)


def _glorot(random: np.random.Generator) -> keras.initializers.Initializer:
    return keras.initializers.GlorotUniform(_seed(random))


def _seed(random: np.random.Generator) -> int:
    return int(random.integers(2**31 - 1))
