"""Pictures and tables of a forecaster: some windows, the errors by step against the baselines, a linear model's weights."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from recipes.timeseries.baselines import SERIES_KEY
from recipes.timeseries.network import FORECAST

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from recipes.timeseries.forecaster import Forecaster

NUM_WINDOWS = 3
_COLOURS = {"model": "#e07a5f", "last_value": "#8d6b94", "repeat": "#f2b134"}
_TITLES = {"model": "model", "last_value": "last value", "repeat": "repeat"}
_INPUT, _LABEL = "#2a6f97", "#6a994e"


def describe(recipe: Forecaster, model: keras.Model, folder: Path, examples: tf.data.Dataset) -> None:
    """Writes into `folder`, all of the eval split and in the targets' units:

    * baselines.csv: mae and rmse of model, last value and repeat, a row a target;
    * mae_by_step.csv and, of more than one step, mae_by_step.png: the mae of each step ahead;
    * windows.png: a few windows, what the model saw, what came, and what it and the last value forecast;
    * weights.png, of a linear model: a weight for each value of the window, for the first step of the first target.
    """
    series, label, forecasts = _collect(recipe, model, examples)
    errors = {name: (found - label) * recipe.units.scale for name, found in forecasts.items()}
    targets = recipe.windows.targets
    totals = [
        [target, name, np.abs(error[:, :, index]).mean(), np.sqrt(np.square(error[:, :, index]).mean())]
        for index, target in enumerate(targets)
        for name, error in errors.items()
    ]
    _write(folder / "baselines.csv", ["target", "forecast", "mae", "rmse"], totals)
    by_step = {name: np.abs(error).mean(axis=0) for name, error in errors.items()}  # [steps, targets]
    first = recipe.windows.shift - recipe.windows.label_width + 1
    rows = [
        [target, first + step, *(values[step, index] for values in by_step.values())]
        for index, target in enumerate(targets)
        for step in range(recipe.windows.label_width)
    ]
    _write(folder / "mae_by_step.csv", ["target", "step", *by_step], rows)
    if recipe.windows.label_width > 1:
        _save(_by_step(by_step, targets, first), folder / "mae_by_step.png")
    places = np.unique((np.arange(NUM_WINDOWS) + 0.5) / NUM_WINDOWS * len(series)).astype(int)
    _save(
        _windows(recipe, series[places], label[places], {name: each[places] for name, each in forecasts.items()}),
        folder / "windows.png",
    )
    if model.name == "linear":
        _save(_weights(recipe, model), folder / "weights.png")


def _collect(
    recipe: Forecaster, model: keras.Model, examples: tf.data.Dataset
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Windows, labels and forecasts of all examples, as z-scores, in float64; of the windows the targets alone."""
    num_targets = len(recipe.windows.targets)
    series, labels, forecasts = [], [], []
    for features, label in examples:
        series.append(features[SERIES_KEY][:, :, :num_targets])
        labels.append(label)
        forecasts.append(recipe.forecasts(model, features[SERIES_KEY]))
    joined = {name: np.concatenate([each[name] for each in forecasts]).astype(np.float64) for name in forecasts[0]}
    return np.concatenate(series).astype(np.float64), np.concatenate(labels).astype(np.float64), joined


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows)


def _by_step(by_step: Mapping[str, np.ndarray], targets: Sequence[str], first: int) -> Figure:
    figure, axes = _new_figure(len(targets))
    for index, (target, axis) in enumerate(zip(targets, axes, strict=True)):
        for name, values in by_step.items():
            axis.plot(
                range(first, first + len(values)), values[:, index], color=_COLOURS[name], label=_TITLES[name], marker="."
            )
        axis.set_ylabel(f"mae of {target}")
        axis.set_ylim(bottom=0)
    axes[-1].set_xlabel("steps ahead")
    axes[0].legend(frameon=False)
    return figure


def _windows(recipe: Forecaster, series: np.ndarray, label: np.ndarray, forecasts: Mapping[str, np.ndarray]) -> Figure:
    """The tutorial's plot, of the first target."""
    windows = recipe.windows
    seen = np.arange(1 - windows.input_width, 1)
    ahead = np.arange(windows.shift - windows.label_width + 1, windows.shift + 1)

    def units(values: np.ndarray) -> np.ndarray:
        shown: np.ndarray = values[:, 0] * recipe.units.scale[0] + recipe.units.mean[0]
        return shown

    figure, axes = _new_figure(len(series))
    for row, axis in enumerate(axes):
        axis.plot(seen, units(series[row]), color=_INPUT, marker=".", label="inputs")
        axis.scatter(ahead, units(label[row]), color=_LABEL, s=36, label="labels", zorder=3)
        for name in ("model", "last_value"):
            style = {"marker": "x", "linestyle": "none"} if len(ahead) == 1 else {"linestyle": "-"}
            axis.plot(ahead, units(forecasts[name][row]), color=_COLOURS[name], label=_TITLES[name], **style)
        axis.set_ylabel(windows.targets[0])
    axes[-1].set_xlabel("steps from the last input")
    axes[0].legend(frameon=False, ncols=4, fontsize=8)
    return figure


def _weights(recipe: Forecaster, model: keras.Model) -> Figure:
    """As the tutorial shows them, but of the whole window rather than its last row."""
    from recipes.timeseries.features import columns_of

    waves = [f"{wave} of the {signal}" for signal in recipe.task.transform.signals for wave in ("sin", "cos")]
    names = [*columns_of(recipe.windows), *waves]
    weights = model.get_layer(FORECAST).get_weights()[0][:, 0].reshape(recipe.windows.input_width, len(names))
    figure, (axis,) = _new_figure(1)
    limit = float(np.abs(weights).max())
    image = axis.imshow(
        weights.T,
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        aspect="auto",
        extent=(0.5 - len(weights), 0.5, len(names) - 0.5, -0.5),
    )
    axis.set_yticks(range(len(names)), names)
    axis.set_xlabel("steps from the last input")
    axis.set_title("weights of the first step's forecast, on z-scores", loc="left", fontsize=10)
    figure.colorbar(image, ax=axis)
    return figure


def _new_figure(num_rows: int) -> tuple[Figure, Sequence[Any]]:
    """Without pyplot, so that nothing global is touched."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 1.4 + 2.2 * num_rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(num_rows, squeeze=False)[:, 0])
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Software": None})  # no version in it: the same bytes each time
