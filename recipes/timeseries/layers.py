"""Keras layers of the forecasters; a `.keras` file that has them needs this module imported, and nothing else."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tensorline")
class AutoregressiveLSTM(keras.layers.Layer):
    """Forecasts one step at a time, each from the one before: [batch, rows, channels] → float32 [batch, steps, targets].

    An LSTM reads the window; a second cell goes on from its state, and is given its own forecast as the next input (Graves
    2013, "Generating sequences with recurrent neural networks"; the tutorial's FeedBack model). A cell of its own, since the
    future holds the targets alone, and not what else the window has.

    Args:
        units: Of either cell.
        steps: To forecast.
        num_targets: The first channels, which are forecast.
        seed: Of the initial weights.
    """

    def __init__(self, units: int, steps: int, num_targets: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.steps, self.num_targets, self.seed = units, steps, num_targets, seed
        self.encoder = keras.layers.LSTM(units, return_state=True, name="encoder", **initializers(seed))
        # One step needs none, and what is never called has no gradient.
        self.decoder = keras.layers.LSTMCell(units, name="decoder", **initializers(seed + 1)) if steps > 1 else None
        # In float32, also where mixed precision has the cells compute in less.
        self.head = keras.layers.Dense(num_targets, kernel_initializer="zeros", dtype="float32", name="head")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.encoder.build(input_shape)
        if self.decoder is not None:
            self.decoder.build((input_shape[0], self.num_targets))
        self.head.build((input_shape[0], self.units))

    def call(self, inputs: Any) -> Any:
        output, *state = self.encoder(inputs)
        forecasts = [self.head(output)]
        for _ in range(self.steps - 1):
            assert self.decoder is not None  # noqa: S101  there are several steps
            output, state = self.decoder(ops.cast(forecasts[-1], self.compute_dtype), state)
            forecasts.append(self.head(output))
        return ops.stack(forecasts, axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.steps, self.num_targets)

    def get_config(self) -> dict[str, Any]:
        config = {"units": self.units, "steps": self.steps, "num_targets": self.num_targets, "seed": self.seed}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="tensorline")
class LastRow(keras.layers.Layer):
    """The last row, and of it the first `num_channels` if given: [batch, rows, channels] → [batch, 1, channels]."""

    def __init__(self, num_channels: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_channels = num_channels

    def call(self, inputs: Any) -> Any:
        return inputs[:, -1:, : self.num_channels]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_channels": self.num_channels}


def initializers(seed: int) -> dict[str, keras.initializers.Initializer]:
    """Of an LSTM's weights, as Keras' own, seeded."""
    return {
        "kernel_initializer": keras.initializers.GlorotUniform(seed),
        "recurrent_initializer": keras.initializers.Orthogonal(seed=seed),
    }
