"""`tabular.regressor`: a quantity, learned on a scale of its own and answered in the label's units."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
import numpy as np

from recipes.contract import RecipeError, Task
from recipes.regression import Regressor
from recipes.tabular.recipe import TabularRecipe

if TYPE_CHECKING:
    import tensorflow as tf

_LABEL_UNITS = "label_units"
_LOSSES = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "msle": "mean_squared_logarithmic_error"}


class TabularRegressor(Regressor, TabularRecipe):
    """The network predicts standardised labels; a fixed last layer, set before training, turns them into the label's units."""

    otherwise = "or take the recipe tabular.classifier"

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._loss = task.model.loss or "mse"

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Answers the quantity in the label's units [batch, 1]."""
        network = self._network(hp, 1)
        # In float32 from here on, also where mixed precision has the layers before compute in less.
        to_units = keras.layers.Dense(1, kernel_initializer="ones", trainable=False, dtype="float32", name=_LABEL_UNITS)
        prediction = to_units(network.logits)
        if self._loss == "msle":
            # Far outside of what it was trained on, a prediction may be huge, but must be finite.
            bounded = keras.layers.ReLU(max_value=80.0, negative_slope=1.0, dtype="float32", name="bounded")(prediction)
            exponential = keras.layers.Activation("exponential", dtype="float32", name="exponential")(bounded)
            prediction = keras.layers.Rescaling(1.0, offset=-1.0, dtype="float32", name="quantity")(exponential)
        model = keras.Model(network.inputs, prediction, name="tabular_regressor")
        self._compile(model, network.optimizer(self.task.learning_rate), scale=1.0)
        return model

    def fit(self, hp: keras_tuner.HyperParameters, model: keras.Model, train: tf.data.Dataset, **kwargs: Any) -> Any:
        """Takes mean and scale of the labels in `train` (one pass), then fits as Keras does."""
        labels = np.concatenate([np.asarray(batch[1], np.float64).ravel() for batch in train])
        if self._loss == "msle":
            if labels.min() < 0.0:
                raise RecipeError(
                    f"model.loss: msle needs labels >= 0, and '{self.label}' goes down to {labels.min():g}. Take mse or mae."
                )
            labels = np.log1p(labels)
        scale = float(labels.std()) or 1.0
        model.get_layer(_LABEL_UNITS).set_weights([np.array([[scale]]), np.array([labels.mean()])])
        # The loss is divided by the labels' own, so that learning rate and weight decay mean the same in any unit.
        self._compile(model, model.optimizer, scale)
        return super().fit(hp, model, train, **kwargs)

    def _explained(self, model: keras.Model) -> Callable[[dict[str, tf.Tensor]], tf.Tensor]:
        return lambda features: model(features, training=False)

    def _compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, scale: float) -> None:
        metrics = [keras.metrics.MeanAbsoluteError(name="mae"), keras.metrics.RootMeanSquaredError(name="rmse")]
        weight = 1.0 / scale if self._loss == "mae" else 1.0 / scale**2
        model.compile(optimizer, loss=_LOSSES[self._loss], loss_weights=weight, metrics=metrics)
