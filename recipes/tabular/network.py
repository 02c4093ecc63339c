"""Keras networks over transformed features: deep, linear, or both side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import keras_tuner
import numpy as np

from recipes.tabular.params import ModelParams
from recipes.tabular.plan import MISSING_KEY, NUMERIC_KEY

LEARNING_RATE = 1e-3
# Linear weights start at zero and have further to go.
LINEAR_LEARNING_RATE = 1e-2
_UNITS = (16, 32, 64, 128, 256)
_DROPOUTS = (0.0, 0.1, 0.2, 0.3, 0.5)
_WEIGHT_DECAYS = (0.0, 1e-5, 1e-4, 1e-3, 1e-2)


class Network:
    """Inputs, logits and optimizer of one model. The search space grows in `hp` while they are made.

    Attributes:
        inputs: Keras inputs by the name of the transformed feature.
        logits: The network's answer without its last activation, float32 [batch, num_outputs].
    """

    def __init__(
        self,
        feature_spec: Mapping[str, Any],
        num_ids: Mapping[str, int],
        params: ModelParams,
        hp: keras_tuner.HyperParameters,
        *,
        num_outputs: int,
        seed: int,
        bias_initializer: keras.initializers.Initializer | str = "zeros",
    ) -> None:
        """Builds the network.

        Args:
            feature_spec: tf.io parsing spec of the transformed features.
            num_ids: Categorical feature → how many ids it may have.
            params: The values that `hp` gets as defaults.
            hp: Gets `num_layers`, `units_0`…, `dropout` (unless linear).
            num_outputs: Classes, or 1.
            seed: Of initial weights and dropout, whatever was built before in this process.
            bias_initializer: Of the logits. A linear model of categories alone has no bias.
        """
        self._params, self._hp, self._num_outputs, self._bias = params, hp, num_outputs, bias_initializer
        self._random = np.random.default_rng(seed)
        self.inputs = {
            name: keras.Input(shape=tuple(spec.shape), dtype=spec.dtype.name, name=name)
            for name, spec in sorted(feature_spec.items())
        }
        self._numbers = [self.inputs[name] for name in (NUMERIC_KEY, MISSING_KEY) if name in self.inputs]
        self._num_ids = {name: num_ids[name] for name in self.inputs if name in num_ids}
        parts = [] if params.kind == "linear" else [self._deep()]
        parts += [] if params.kind == "deep" else self._linear()
        self.logits = keras.layers.Add(name="logits")(parts) if len(parts) > 1 else parts[0]

    def optimizer(self, learning_rate: float | None) -> keras.optimizers.Optimizer:
        """AdamW. `hp` gets `learning_rate`, unless one is given, and `weight_decay`."""
        if learning_rate is None:
            default = LINEAR_LEARNING_RATE if self._params.kind == "linear" else LEARNING_RATE
            learning_rate = self._hp.Float("learning_rate", default / 10, default * 10, sampling="log", default=default)
        weight_decay = self._choice("weight_decay", _WEIGHT_DECAYS, self._params.weight_decay)
        optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        return optimizer

    def _deep(self) -> keras.KerasTensor:
        params = self._params
        parts = list(self._numbers)
        for name, size in self._num_ids.items():
            dim = min(params.max_embedding_dim, math.ceil(1.6 * size**0.56))
            # Zeros: an id that training never met (a missing value, a new category) says nothing, rather than anything.
            embedding = keras.layers.Embedding(size, dim, embeddings_initializer="zeros", name=f"{name}_embedding")
            parts.append(keras.layers.Flatten(name=f"{name}_flat")(embedding(self.inputs[name])))
        hidden = keras.layers.Concatenate(name="features")(parts) if len(parts) > 1 else parts[0]
        units = params.hidden_units
        dropout = self._choice("dropout", _DROPOUTS, params.dropout)
        for layer in range(self._hp.Int("num_layers", 1, max(4, len(units)), default=len(units))):
            size = self._choice(f"units_{layer}", _UNITS, units[min(layer, len(units) - 1)])
            dense = keras.layers.Dense(size, params.activation, kernel_initializer=self._initializer(), name=f"hidden_{layer}")
            hidden = keras.layers.Dropout(dropout, seed=self._seed(), name=f"dropout_{layer}")(dense(hidden))
        last = keras.layers.Dense(
            self._num_outputs, kernel_initializer=self._initializer(), bias_initializer=self._bias, name="deep"
        )
        return last(hidden)

    def _linear(self) -> list[keras.KerasTensor]:
        """A weight for each number and each id, all zero at first; their sum is the linear model."""
        parts = []
        if self._numbers:
            numbers = self._numbers
            together = keras.layers.Concatenate(name="numbers")(numbers) if len(numbers) > 1 else numbers[0]
            bias = self._bias if self._params.kind == "linear" else "zeros"  # beside the deep part, that one's
            linear = keras.layers.Dense(self._num_outputs, kernel_initializer="zeros", bias_initializer=bias, name="linear")
            parts.append(linear(together))
        for name, size in self._num_ids.items():
            weights = keras.layers.Embedding(size, self._num_outputs, embeddings_initializer="zeros", name=f"{name}_weights")
            parts.append(keras.layers.Flatten(name=f"{name}_weight")(weights(self.inputs[name])))
        return parts

    def _choice(self, name: str, values: Iterable[float], default: float) -> Any:
        """A choice among `values` and the value that params.yaml gives, which is the default."""
        return self._hp.Choice(name, sorted({*values, default}), default=default)

    def _initializer(self) -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(self._seed())

    def _seed(self) -> int:
        return int(self._random.integers(2**31))
