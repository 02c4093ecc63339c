"""Loads the SavedModel of a model artifact, after the modules whose TensorFlow ops are in its graph.

A graph with ops of TensorFlow Text can be loaded only where `tensorflow_text` has registered them (one with a forest,
only where `ydf_tf` has); model.json says so, under `libraries`. A model may come from elsewhere, so only known modules are
imported.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.errors import TensorlineError

MODEL_FILE = "model.json"
SERVING_FOLDER = "Format-Serving"
LIBRARIES = ("tensorflow_text", "ydf_tf")
"""Modules that a model may ask for."""


def load(folder: Path) -> Any:
    """The object that `tf.saved_model.load` gives, with the signatures that the train stage wrote.

    Args:
        folder: Of the model artifact, which holds model.json beside the SavedModel.

    Raises: TensorlineError if model.json can't be read, or as `import_libraries`.
    """
    path = folder / MODEL_FILE
    try:
        libraries = json.loads(path.read_text(encoding="utf-8")).get("libraries", [])  # older models have none
    except (OSError, ValueError) as error:
        raise TensorlineError(f"{path}: {error}. Expected what the train stage writes: rerun train.") from None
    tf = import_tensorflow()
    import_libraries(libraries)
    return tf.saved_model.load(str(folder / SERVING_FOLDER))


def import_tensorflow() -> Any:
    """TensorFlow; without Keras, unless it is there already.

    TensorFlow imports Keras (the older tf_keras with TF_USE_LEGACY_KERAS) to have its optimizers at hand, and does without
    where there is none. A SavedModel needs none of it, and it is nearly half of the time that the import takes. Whoever
    imports Keras afterwards gets it.
    """
    left_out = set() if "tensorflow" in sys.modules else {"keras", "tf_keras"} - set(sys.modules)
    for name in left_out:
        sys.modules[name] = None  # type: ignore[assignment]  # so that its import fails
    try:
        import tensorflow as tf
    finally:
        for name in left_out:
            del sys.modules[name]
    return tf


def import_libraries(names: Sequence[str]) -> None:
    """Imports modules for the TensorFlow ops that they register.

    Raises: TensorlineError if one is not among LIBRARIES, or can't be imported.
    """
    for name in names:
        if name not in LIBRARIES:
            raise TensorlineError(
                f"model.json: libraries: the model asks for the module '{name}'. Expected one of {', '.join(LIBRARIES)}: "
                "don't use a model from a source that you don't trust."
            )
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise TensorlineError(
                f"model.json: libraries: the model needs the module '{name}', which can't be imported ({error}). "
                "Expected it to be installed: run make setup."
            ) from error
