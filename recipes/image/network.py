"""Convolutional networks over [batch, height, width, channels]: plain, residual, or on a backbone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import keras_tuner
import numpy as np

from recipes.image.augmentation import augmentation
from recipes.image.backbone import backbone_features
from recipes.image.params import ModelParams

LEARNING_RATE = 3e-3
_WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0)
_DROPOUTS = (0.0, 0.2, 0.3, 0.5)
_WEIGHT_DECAYS = (0.0, 1e-4, 1e-3, 1e-2)


class Network:
    """The layers of one model. The search space grows in `hp` while they are made."""

    def __init__(
        self,
        params: ModelParams,
        normalise: str,
        hp: keras_tuner.HyperParameters,
        *,
        seed: int,
        bias_initializer: keras.initializers.Initializer | str = "zeros",
    ) -> None:
        """Prepares a network.

        Args:
            params: The values that `hp` gets as defaults.
            normalise: transform.normalise, the range of the pixels.
            hp: Gets `width` (unless transfer), `dropout`, `weight_decay` and `learning_rate`.
            seed: Of initial weights, dropout and augmentation, whatever was built before in this process.
            bias_initializer: Of the logits.
        """
        self._params, self._normalise, self._hp, self._bias = params, normalise, hp, bias_initializer
        self._random = np.random.default_rng(seed)

    def logits(self, images: keras.KerasTensor, num_outputs: int) -> keras.KerasTensor:
        """[batch, height, width, channels] → float32 [batch, num_outputs], without the last activation."""
        augment = augmentation(self._params.augment, self._normalise, self._random)
        hidden = images if augment is None else augment(images)
        if self._params.backbone is not None:
            features = backbone_features(hidden, self._params.backbone)
        else:
            # In the search, one factor for the filters of all stages (Howard et al. 2017, MobileNets).
            width = self._choice("width", _WIDTHS, 1.0)
            filters = [max(1, round(width * number)) for number in self._params.filters]
            maps = self._residual(hidden, filters) if self._params.network == "resnet" else self._plain(hidden, filters)
            flat = self._params.head == "flatten"
            features = (keras.layers.Flatten if flat else keras.layers.GlobalAveragePooling2D)(name="features")(maps)
        dropout = self._choice("dropout", _DROPOUTS, self._params.dropout)
        if self._params.dense_units:
            features = self._dropout(dropout, "hidden_dropout")(features)
            features = self._activated(self._dense(self._params.dense_units, "hidden", use_bias=False)(features), "hidden")
        return self._dense(num_outputs, "logits", bias_initializer=self._bias)(self._dropout(dropout, "dropout")(features))

    def optimizer(self, learning_rate: float | None) -> keras.optimizers.Optimizer:
        """AdamW (Loshchilov & Hutter 2019). `hp` gets `learning_rate`, unless one is given, and `weight_decay`."""
        if learning_rate is None:
            default = LEARNING_RATE
            learning_rate = self._hp.Float("learning_rate", default / 10, default * 10, sampling="log", default=default)
        weight_decay = self._choice("weight_decay", _WEIGHT_DECAYS, self._params.weight_decay)
        optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer

    def _plain(self, hidden: keras.KerasTensor, filters: list[int]) -> keras.KerasTensor:
        """Stages of convolutions, each followed by batch normalisation; pooling ends a stage (Simonyan & Zisserman 2015)."""
        for stage, number in enumerate(filters):
            for block in range(self._params.blocks):
                name = f"conv_{stage}_{block}"
                hidden = self._conv(number, name)(hidden)
                if block == self._params.blocks - 1:
                    # Before the normalisation, which then has a quarter of the work.
                    hidden = keras.layers.MaxPooling2D(padding="same", name=f"pool_{stage}")(hidden)
                hidden = self._activated(hidden, name)
        return hidden

    def _residual(self, hidden: keras.KerasTensor, filters: list[int]) -> keras.KerasTensor:
        """Residual blocks with normalisation first (He et al. 2016, "Identity Mappings in Deep Residual Networks")."""
        hidden = self._conv(filters[0], "stem")(hidden)
        for stage, number in enumerate(filters):
            for block in range(self._params.blocks):
                name = f"block_{stage}_{block}"
                strides = 2 if block == 0 else 1
                active = self._activated(hidden, f"{name}_0")
                inner = self._conv(number, f"{name}_conv_0", strides=strides)(active)
                inner = self._conv(number, f"{name}_conv_1")(self._activated(inner, f"{name}_1"))
                if block == 0:
                    hidden = self._conv(number, f"{name}_shortcut", size=1, strides=strides)(active)
                hidden = keras.layers.Add(name=name)([hidden, inner])
        return self._activated(hidden, "last")

    def _conv(self, filters: int, name: str, size: int = 3, strides: int = 1) -> keras.layers.Layer:
        """Without a bias: a batch normalisation follows, which has one."""
        return keras.layers.Conv2D(
            filters,
            size,
            strides,
            padding="same",
            use_bias=False,
            kernel_initializer=keras.initializers.HeNormal(self._seed()),
            name=name,
        )

    def _activated(self, hidden: keras.KerasTensor, name: str) -> keras.KerasTensor:
        # Keras' momentum of 0.99 is for far more steps than a small data set has in an epoch.
        hidden = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(hidden)
        return keras.layers.Activation("relu", name=f"{name}_relu")(hidden)

    def _dense(self, units: int, name: str, **kwargs: Any) -> keras.layers.Layer:
        return keras.layers.Dense(
            units, kernel_initializer=keras.initializers.GlorotUniform(self._seed()), name=name, **kwargs
        )

    def _dropout(self, rate: float, name: str) -> keras.layers.Layer:
        return keras.layers.Dropout(rate, seed=self._seed(), name=name)

    def _choice(self, name: str, values: Iterable[float], default: float) -> Any:
        """A choice among `values` and the value that params.yaml gives, which is the default."""
        return self._hp.Choice(name, sorted({*values, default}), default=default)

    def _seed(self) -> int:
        return int(self._random.integers(2**31))
