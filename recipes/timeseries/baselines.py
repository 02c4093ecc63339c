"""What needs no learning: the forecasts that a model must beat (tutorial "Time series forecasting")."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from recipes.contract import RecipeError

if TYPE_CHECKING:
    from recipes.contract import Windows

SERIES_KEY = "series"
"""The transformed window, float32 [batch, input_width, channels]: targets, other inputs, sine and cosine of each signal."""


def last_value(series: tf.Tensor, windows: Windows) -> tf.Tensor:
    """Nothing changes: the last value, again and again.

    Args:
        series: [batch, input_width, channels], the targets first.
        windows: How they were cut.

    Returns: [batch, label_width, targets].
    """
    return tf.repeat(series[:, -1:, : len(windows.targets)], windows.label_width, axis=1)


def repeat(series: tf.Tensor, windows: Windows, season: int) -> tf.Tensor:
    """All comes back: the value of the same place in the last season that is wholly known (a seasonal naive forecast).

    Arguments and result as of `last_value`; `season` counts rows.
    """
    return tf.gather(series[:, :, : len(windows.targets)], repeated_rows(windows, season), axis=1)


def repeated_rows(windows: Windows, season: int) -> list[int]:
    """The row of the inputs that each row to forecast repeats.

    Raises: RecipeError if the season is longer than the window.
    """
    if season > windows.input_width:
        raise RecipeError(
            f"model.season: {season} rows, and a model sees {windows.input_width}, data.windows.input_width. Expected at "
            "most as many."
        )
    first = windows.shift - windows.label_width + 1
    ahead = range(first, windows.shift + 1)
    return [windows.input_width - 1 + step - season * -(-step // season) for step in ahead]
