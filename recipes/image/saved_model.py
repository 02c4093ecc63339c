"""A SavedModel as a Keras 3 layer: its features, and, once unfrozen, its weights to train.

`hub.KerasLayer` is a tf_keras layer that Keras 3 refuses, and Keras' own TFSMLayer is not loaded in safe mode. This one runs
what lies in a folder on this machine, and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from recipes.contract import RecipeError

CALL = "__call__"
"""In place of a signature: the loaded object itself, as TF Hub's reusable SavedModels are used."""


@keras.saving.register_keras_serializable(package="tensorline")
class SavedModelLayer(keras.layers.Layer):
    """Images → features by a SavedModel, always in inference mode.

    The weights are saved with the Keras model, but the graph is not: the folder must be there when a `.keras` file is loaded.
    An exported SavedModel holds both.

    Attributes:
        loaded: The loaded object; whoever exports a function that calls this layer must track it (its tables, say).

    Raises: RecipeError if there is no SavedModel, or it cannot be called so.
    """

    def __init__(self, path: str, signature: str = "serving_default", output: str | None = None, **kwargs: Any) -> None:
        """Loads the SavedModel.

        Args:
            path: Its folder.
            signature: A signature with one input, or `__call__`.
            output: Name of the output, where there are several.
            **kwargs: As every Keras layer takes them.
        """
        super().__init__(**kwargs)
        self.folder, self.signature, self.output_key = path, signature, output
        if not (Path(path) / "saved_model.pb").is_file():
            raise RecipeError(
                f"model.backbone.path: there is no SavedModel in {path}. Expected a folder with saved_model.pb in it. Correct "
                "the path (from the repository's root), or build what writes it."
            )
        self.loaded = tf.saved_model.load(path)
        self._argument: str | None = None
        self.spec: tf.TensorSpec | None = None
        if signature == CALL:
            self._function = self._callable()
            used = self.loaded
        else:
            self._function = used = self._signature()
        trainable = {id(variable) for variable in getattr(used, "trainable_variables", ())}
        # Keras wraps the variable itself, not a copy: what is trained here, the function computes with.
        self.loaded_weights = [
            keras.Variable(
                variable,
                shape=variable.shape,
                dtype=variable.dtype.name,
                trainable=id(variable) in trainable,
                name=variable.name.split(":")[0].replace("/", "_"),
            )
            for variable in getattr(used, "variables", ())
        ]

    def _callable(self) -> Any:
        if not callable(self.loaded):
            raise RecipeError(
                f"model.backbone.signature: the SavedModel in {self.folder} cannot be called itself. Expected one of its "
                f"signatures: {self._names()}."
            )
        return self.loaded

    def _signature(self) -> Any:
        if self.signature not in self.loaded.signatures:
            also = f", or {CALL}" if callable(self.loaded) else ""
            raise RecipeError(
                f"model.backbone.signature: the SavedModel in {self.folder} has no signature '{self.signature}'. Expected one "
                f"of: {self._names()}{also}."
            )
        function = self.loaded.signatures[self.signature]
        arguments = function.structured_input_signature[1]
        if len(arguments) != 1:
            raise RecipeError(
                f"model.backbone.signature: '{self.signature}' of {self.folder} takes {len(arguments)} inputs "
                f"({', '.join(sorted(arguments))}). Expected one, the images. Choose another signature of: {self._names()}."
            )
        ((self._argument, self.spec),) = arguments.items()
        return function

    def _names(self) -> str:
        return ", ".join(sorted(self.loaded.signatures)) or "none"

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Float32 [batch, height, width, channels] → the chosen output, with the loaded graph in inference mode."""
        outputs = self._function(images) if self._argument is None else self._function(**{self._argument: images})
        if not isinstance(outputs, dict):
            return outputs
        name = next(iter(outputs)) if self.output_key is None and len(outputs) == 1 else self.output_key
        if name not in outputs:
            found = f"no output '{name}'" if name else f"{len(outputs)} outputs"
            raise RecipeError(
                f"model.backbone.layer: the SavedModel in {self.folder} has {found}. Expected one of: "
                f"{', '.join(sorted(outputs))}."
            )
        return outputs[name]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "path": self.folder, "signature": self.signature, "output": self.output_key}
