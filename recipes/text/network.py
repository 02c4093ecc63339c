"""Keras networks over tokens, or over what an encoder makes of a text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import keras_tuner
import numpy as np

from recipes.text.layers import MaskedMean, PositionEmbedding, TextEncoder
from recipes.text.params import Encoder, MeanEmbedding, ModelParams, Recurrent, Transformer

EMBEDDING = "embedding"
"""Name of the layer that holds the vectors of the tokens."""
_EMBEDDING_DIM = 16
_LEARNING_RATES = {"mean_embedding": 4e-3, "lstm": 3e-3, "gru": 3e-3, "transformer": 1e-3, "encoder": 3e-3}
_DIMS = (8, 16, 32, 64)
_UNITS = (16, 32, 64, 128)
_DROPOUTS = (0.0, 0.2, 0.3, 0.5)
_TOKEN_DROPOUTS = (0.0, 0.2, 0.5, 0.7)
_WEIGHT_DECAYS = (0.0, 1e-4, 1e-3, 1e-2)


class Network:
    """The layers of one model. The search space grows in `hp` while they are made."""

    def __init__(
        self,
        params: ModelParams,
        hp: keras_tuner.HyperParameters,
        *,
        seed: int,
        bias_initializer: keras.initializers.Initializer | str = "zeros",
    ) -> None:
        """Prepares a network.

        Args:
            params: The values that `hp` gets as defaults.
            hp: Gets `embedding_dim` (unless vectors are given), `token_dropout`, `units` and `num_layers` of recurrent layers
                and Transformers, `dropout`, `weight_decay` and `learning_rate`.
            seed: Of initial weights and dropout, whatever was built before in this process.
            bias_initializer: Of the logits.
        """
        self._params, self._hp, self._bias = params, hp, bias_initializer
        self._random = np.random.default_rng(seed)

    def over_tokens(self, tokens: keras.KerasTensor, num_ids: int, max_tokens: int, num_outputs: int, dim: int | None) -> Any:
        """Logits of tokens.

        Args:
            tokens: Ids, int64 [batch, steps], 0 for padding.
            num_ids: How many ids there may be.
            max_tokens: The most steps.
            num_outputs: Classes, or 1.
            dim: Of given vectors; None where the embeddings are learned from nothing.

        Returns: Float32 [batch, num_outputs]. They do not depend on the padding.
        """
        kind, embeddings = self._params.network, self._params.embeddings
        if dim is None:
            dim = int(self._choice("embedding_dim", _DIMS, self._params.embedding_dim or _EMBEDDING_DIM))
        embedding = keras.layers.Embedding(
            num_ids,
            dim,
            embeddings_initializer=keras.initializers.RandomUniform(-0.05, 0.05, seed=self._seed()),
            mask_zero=True,
            trainable=embeddings is None or embeddings.trainable,
            name=EMBEDDING,
        )
        hidden = embedding(tokens)
        rate = self._choice("token_dropout", _TOKEN_DROPOUTS, self._params.token_dropout)
        # Whole tokens, not single numbers.
        whole = keras.layers.Dropout(rate, noise_shape=(None, None, 1), seed=self._seed(), name="token_dropout")
        hidden = whole(hidden)
        dropout = self._dropout_rate()
        if isinstance(kind, Recurrent):
            return self._dense(self._recurrent(hidden, kind, dropout), [], dropout, num_outputs)
        if isinstance(kind, Transformer):
            return self._dense(self._transformer(hidden, kind, dropout, max_tokens, dim), [], dropout, num_outputs)
        assert isinstance(kind, MeanEmbedding)  # noqa: S101  the recipe gives an encoder texts, not tokens
        return self._dense(MaskedMean(name="mean")(hidden), kind.hidden_units, dropout, num_outputs)

    def over_texts(self, texts: keras.KerasTensor, encoder: Encoder, num_outputs: int) -> keras.KerasTensor:
        """Logits of texts, string [batch, 1]: float32 [batch, num_outputs]."""
        layer = TextEncoder(encoder.path, encoder.output, encoder.tensorflow_text, name="encoder")
        return self._dense(layer(texts), encoder.hidden_units, self._dropout_rate(), num_outputs)

    def optimizer(self, learning_rate: float | None) -> keras.optimizers.Optimizer:
        """AdamW (Loshchilov & Hutter 2019). `hp` gets `learning_rate`, unless one is given, and `weight_decay`."""
        if learning_rate is None:
            default = _LEARNING_RATES[self._params.network.kind]
            learning_rate = self._hp.Float("learning_rate", default / 10, default * 10, sampling="log", default=default)
        weight_decay = self._choice("weight_decay", _WEIGHT_DECAYS, self._params.weight_decay)
        optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        return optimizer

    def _recurrent(self, hidden: Any, kind: Recurrent, dropout: float) -> Any:
        make = keras.layers.LSTM if kind.kind == "lstm" else keras.layers.GRU
        units = int(self._choice("units", _UNITS, kind.units))
        layers = self._hp.Int("num_layers", 1, max(2, kind.layers), default=kind.layers)
        for layer in range(layers):
            last = layer == layers - 1
            cell, backward = (
                make(
                    units,
                    return_sequences=not last,
                    go_backwards=backwards,
                    kernel_initializer=self._glorot(),
                    recurrent_initializer=keras.initializers.Orthogonal(seed=self._seed()),
                )
                for backwards in (False, True)
            )
            hidden = keras.layers.Bidirectional(cell, backward_layer=backward, name=f"{kind.kind}_{layer}")(hidden)
            if not last:
                hidden = self._dropout(f"{kind.kind}_{layer}_dropout", dropout)(hidden)
        return hidden

    def _transformer(self, hidden: Any, kind: Transformer, dropout: float, max_tokens: int, dim: int) -> Any:
        units = int(self._choice("units", _UNITS, kind.units))
        hidden = PositionEmbedding(max_tokens, keras.initializers.RandomUniform(-0.05, 0.05, self._seed()), name="position")(
            hidden
        )
        for block in range(self._hp.Int("num_layers", 1, max(2, kind.layers), default=kind.layers)):
            name = f"block_{block}"
            normed = keras.layers.LayerNormalization(name=f"{name}_attention_norm")(hidden)
            attention = keras.layers.MultiHeadAttention(
                kind.heads,
                max(1, dim // kind.heads),
                dropout=dropout,
                kernel_initializer=self._glorot(),
                seed=self._seed(),
                name=f"{name}_attention",
            )
            hidden = keras.layers.Add(name=f"{name}_attended")([hidden, attention(normed, normed)])
            normed = keras.layers.LayerNormalization(name=f"{name}_feed_forward_norm")(hidden)
            wide = keras.layers.Dense(units, "gelu", kernel_initializer=self._glorot(), name=f"{name}_wide")(normed)
            narrow = keras.layers.Dense(dim, kernel_initializer=self._glorot(), name=f"{name}_narrow")(wide)
            hidden = keras.layers.Add(name=name)([hidden, self._dropout(f"{name}_dropout", dropout)(narrow)])
        return MaskedMean(name="mean")(keras.layers.LayerNormalization(name="last_norm")(hidden))

    def _dense(self, hidden: Any, hidden_units: Iterable[int], dropout: float, num_outputs: int) -> Any:
        for layer, units in enumerate(hidden_units):
            hidden = self._dropout(f"hidden_{layer}_dropout", dropout)(hidden)
            hidden = keras.layers.Dense(units, "relu", kernel_initializer=self._glorot(), name=f"hidden_{layer}")(hidden)
        hidden = self._dropout("dropout", dropout)(hidden)
        last = keras.layers.Dense(num_outputs, kernel_initializer=self._glorot(), bias_initializer=self._bias, name="logits")
        return last(hidden)

    def _dropout_rate(self) -> float:
        return float(self._choice("dropout", _DROPOUTS, self._params.dropout))

    def _dropout(self, name: str, rate: float) -> keras.layers.Layer:
        return keras.layers.Dropout(rate, seed=self._seed(), name=name)

    def _choice(self, name: str, values: Iterable[float], default: float) -> Any:
        """A choice among `values` and the value that params.yaml gives, which is the default."""
        return self._hp.Choice(name, sorted({*values, default}), default=default)

    def _glorot(self) -> keras.initializers.Initializer:
        return keras.initializers.GlorotUniform(self._seed())

    def _seed(self) -> int:
        return int(self._random.integers(2**31))
