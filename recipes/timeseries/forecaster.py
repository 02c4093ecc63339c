"""`timeseries.forecaster`: the next steps of some columns of a time series, from a window of the past ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
import tensorflow as tf

from recipes.contract import Gradients, InputKind, Recipe, RecipeError, ScoreMetric, Task, TaskKind, Windows
from recipes.timeseries.baselines import SERIES_KEY, last_value, repeat, repeated_rows
from recipes.timeseries.network import build_network, optimizer
from recipes.timeseries.params import Signal

if TYPE_CHECKING:
    from recipes.timeseries.features import Units

_LOSSES = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "huber": "huber"}


class Forecaster(Recipe):
    """Windows as `data.windows` cuts them, forecast at once or step by step (TensorFlow's tutorial "Time series forecasting").

    The network sees and forecasts z-scores; its loss and the curves' mae are in standard deviations over train. The answers,
    and the metrics of the evaluation, are in the units of the target; of several targets `mae` and `rmse` are in standard
    deviations, since degrees and millibars have no mean, and `mae_NAME` is each one's own.

    Raises: RecipeError where params and windows do not agree.
    """

    objective = "val_mae"
    objective_direction = "min"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        if task.windows is None:
            raise RecipeError(
                "data.windows: timeseries.forecaster learns from windows over a time series, and the section is not there. "
                "Say how they are cut, see docs/data.md."
            )
        self.windows: Windows = task.windows
        if unseen := [name for name in self.windows.targets if name not in self.windows.inputs]:
            raise RecipeError(
                f"data.windows.inputs: the target '{unseen[0]}' is not among them, and the forecast begins at its last value. "
                "Add it."
            )
        if "day" in task.transform.signals and self.windows.step_s * 2 >= 86_400:
            raise RecipeError(
                f"transform.signals: rows that are {self.windows.step_s / 3600:g} h apart can't follow the day. Remove 'day'."
            )
        self.season: int = task.model.season or self.windows.input_width
        repeated_rows(self.windows, self.season)
        self._signals: list[Signal] = task.transform.signals

    @property
    def kind(self) -> TaskKind:
        """Numbers ahead, which the recipe itself holds against what came."""
        return "scored"

    @property
    def key_metric(self) -> str:
        """The mean absolute error."""
        return "mae"

    @property
    def inputs(self) -> dict[str, InputKind]:
        """The columns of the window, [batch, input_width] each, and its times where signals are made of them."""
        columns = [*self.windows.inputs, *([self.windows.time] if self._signals else [])]
        return dict.fromkeys(columns, "number")

    @property
    def metrics(self) -> list[ScoreMetric]:
        """Errors of the model and of the baselines, in one table."""
        ratio = "mae over that of the last value"  # the relative MAE of Hyndman & Koehler (2006)
        found = [
            ScoreMetric("mae", "Mean absolute error", "abs_error", "lower"),
            ScoreMetric("rmse", "Root mean squared error", "squared_error", "lower", root=True),
            ScoreMetric("mae_last_value", "mae of the last value", "abs_error_last_value", None),
            ScoreMetric("mae_repeat", f"mae of the last {self.season} rows repeated", "abs_error_repeat", None),
            ScoreMetric("relative_mae", ratio, "abs_error", "lower", over="abs_error_last_value"),
        ]
        if len(self.windows.targets) > 1:
            found += [
                ScoreMetric(f"mae_{name}", f"mae of {name}", f"abs_error_{name}", "lower") for name in self.windows.targets
            ]
        return found

    def preprocessing_fn(self, inputs: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """See `Recipe`."""
        # TensorFlow Transform takes 3 s to import, and only this and `set_features` need it.
        from recipes.timeseries.features import make_features

        return make_features(inputs, self.windows, self._signals, self.label)

    def set_features(self, feature_spec: Mapping[str, Any], transform_output: Any) -> None:
        """See `Recipe`. Also learns from the transform graph what the targets' units are."""
        from recipes.timeseries.features import units_of

        super().set_features(feature_spec, transform_output)
        self.units: Units = units_of(transform_output, self.windows, self._signals)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Forecasts z-scores, float32 [batch, label_width, targets]."""
        shape = tuple(self.feature_spec[SERIES_KEY].shape)
        model = build_network(shape, self.windows, self.task.model, hp, seed=self.task.seed)
        mae = keras.metrics.MeanAbsoluteError(name="mae")
        model.compile(optimizer(self.task.learning_rate, hp), loss=_LOSSES[self.task.model.loss], metrics=[mae])
        return model

    def outputs(self, predictions: tf.Tensor) -> dict[str, tf.Tensor]:
        """`prediction` in the targets' units, float32 [batch, label_width], of several [batch, label_width, targets]."""
        forecast = predictions * self.units.scale + self.units.mean
        return {"prediction": forecast[:, :, 0] if len(self.windows.targets) == 1 else forecast}

    def forecasts(self, model: keras.Model, series: tf.Tensor) -> dict[str, tf.Tensor]:
        """Who forecasts → z-scores, [batch, label_width, targets]: `model`, `last_value` and `repeat`."""
        return {
            "model": model({SERIES_KEY: series}, training=False),
            "last_value": last_value(series, self.windows),
            "repeat": repeat(series, self.windows, self.season),
        }

    def score(self, model: keras.Model, features: dict[str, tf.Tensor], label: tf.Tensor | None) -> dict[str, tf.Tensor]:
        """The errors of each example, means over its steps and targets."""
        assert label is not None  # noqa: S101  preprocessing_fn gives it
        several = len(self.windows.targets) > 1
        scale = 1.0 if several else self.units.scale
        errors = {name: (found - label) * scale for name, found in self.forecasts(model, features[SERIES_KEY]).items()}
        scores = {
            "abs_error": _mean(tf.abs(errors["model"])),
            "squared_error": _mean(tf.square(errors["model"])),
            "abs_error_last_value": _mean(tf.abs(errors["last_value"])),
            "abs_error_repeat": _mean(tf.abs(errors["repeat"])),
        }
        if several:
            own = tf.reduce_mean(tf.abs(errors["model"]), axis=1) * self.units.scale
            scores |= {f"abs_error_{name}": own[:, index] for index, name in enumerate(self.windows.targets)}
        return scores

    def explain(self, model: keras.Model) -> Gradients:
        """The mean of a window's forecasts, of several targets in standard deviations; from a window of means.

        The attributions of the waves are those of the times that they are made of.
        """
        several = len(self.windows.targets) > 1

        def answer(features: dict[str, tf.Tensor]) -> tf.Tensor:
            forecast = tf.cast(model(features, training=False), tf.float32)
            units = forecast if several else forecast * self.units.scale + self.units.mean
            return tf.reduce_mean(units, axis=[1, 2])[:, tf.newaxis]

        def columns(attributions: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            from recipes.timeseries.features import columns_of

            names, series = columns_of(self.windows), attributions[SERIES_KEY]
            found = {name: series[:, :, index] for index, name in enumerate(names)}
            if self._signals:
                found[self.windows.time] = tf.reduce_sum(series[:, :, len(names) :], axis=2)
            return found

        return Gradients(answer, 0.0, columns, form="window")

    def describe(self, model: keras.Model, folder: Path, examples: tf.data.Dataset) -> None:
        """See `Recipe`: windows with their forecasts, errors by step against the baselines, weights of a linear model."""
        from recipes.timeseries.description import describe

        describe(self, model, folder, examples)


def _mean(errors: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(errors, axis=[1, 2])
