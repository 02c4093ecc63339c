"""Keras layers of the text networks; a `.keras` file that has them needs this module imported, and nothing else."""

from __future__ import annotations

import importlib
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from recipes.contract import RecipeError


@keras.saving.register_keras_serializable(package="tensorline")
class MaskedMean(keras.layers.Layer):
    """Mean over the steps that are not masked: [batch, steps, n] → [batch, n]; zeros where all are.

    Keras' GlobalAveragePooling1D answers NaN for a text without tokens.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        weights = ops.ones_like(inputs[..., :1]) if mask is None else ops.cast(mask, inputs.dtype)[..., None]
        return ops.sum(inputs * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """No steps, no mask."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], input_shape[2])


@keras.saving.register_keras_serializable(package="tensorline")
class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector of its own to each place: [batch, steps, n], at most `max_steps` steps."""

    def __init__(self, max_steps: int, initializer: Any = "glorot_uniform", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.max_steps = max_steps
        self.initializer = keras.initializers.get(initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.positions = self.add_weight(
            shape=(self.max_steps, input_shape[-1]), initializer=self.initializer, name="positions"
        )

    def call(self, inputs: Any) -> Any:
        return inputs + self.positions[: ops.shape(inputs)[1]]

    def get_config(self) -> dict[str, Any]:
        config = {"max_steps": self.max_steps, "initializer": keras.initializers.serialize(self.initializer)}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="tensorline")
class TextEncoder(keras.layers.Layer):
    """A pretrained, frozen encoder: strings [batch, 1] → float32 [batch, n].

    Runs the object that `hub.load` gives: `hub.KerasLayer` is a tf_keras layer, which Keras 3 refuses. A `.keras` file
    has its path and not its weights: the encoder must be there when the file is loaded. An exported SavedModel holds it.

    Attributes:
        loaded: The loaded object; whoever exports a function that calls this layer must track it (its weights and tables).

    Raises: RecipeError if there is no such encoder, or it answers something else.
    """

    def __init__(self, path: str, output: str | None = None, tensorflow_text: bool = False, **kwargs: Any) -> None:
        """Loads the encoder.

        Args:
            path: A TF Hub handle, or a folder with a SavedModel.
            output: Name of the output, where there are several.
            tensorflow_text: Whether it has ops of TensorFlow Text.
            **kwargs: As every Keras layer takes them.
        """
        import tensorflow_hub

        super().__init__(**kwargs)
        # `path` and `output` are Keras' own properties.
        self.handle, self.output_key, self.tensorflow_text = path, output, tensorflow_text
        if tensorflow_text:
            importlib.import_module("tensorflow_text")  # registers its ops
        try:
            self.loaded = tensorflow_hub.load(path)
        except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
            raise RecipeError(
                f"model.network.path: cannot load an encoder from '{path}': {str(error).splitlines()[0]} Expected the folder "
                "of a SavedModel (from the repository's root) or a TF Hub handle."
            ) from error
        if not callable(self.loaded):
            raise RecipeError(
                f"model.network.path: the SavedModel in '{path}' cannot be called. Expected one whose object is a function "
                "from strings [batch] to vectors, as TF Hub's text encoders are."
            )

    def call(self, texts: Any) -> Any:
        outputs = self.loaded(tf.reshape(texts, [-1]))
        if isinstance(outputs, dict):
            name = next(iter(outputs)) if self.output_key is None and len(outputs) == 1 else self.output_key
            if name not in outputs:
                found = f"no output '{name}'" if name else f"{len(outputs)} outputs"
                raise RecipeError(
                    f"model.network.output: the encoder in '{self.handle}' has {found}. Expected one of: "
                    f"{', '.join(sorted(outputs))}."
                )
            outputs = outputs[name]
        if outputs.shape.rank != 2 or outputs.shape[1] is None:
            raise RecipeError(
                f"model.network.output: the encoder in '{self.handle}' answers the shape {outputs.shape}. Expected [batch, "
                "n], a vector a text."
            )
        return tf.cast(outputs, tf.float32)

    def get_config(self) -> dict[str, Any]:
        config = {"path": self.handle, "output": self.output_key, "tensorflow_text": self.tensorflow_text}
        return {**super().get_config(), **config}
