"""Environment variables and settings that must hold in every process of Tensorline, also without scripts/in_env.sh."""

from __future__ import annotations

import gc
import os

SETTINGS = {
    "KERAS_BACKEND": "tensorflow",  # over ~/.keras/keras.json
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # TensorFlow else takes all of a GPU's memory at once, and leaves none to the process that evaluate asks beside its own.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}

OBJECTS_BETWEEN_COLLECTIONS = 10_000
"""Python's own 700 have it look for cycles a thousand times while it imports what stays: 1.0 of a cold validate's 6.5 s."""


def prepare() -> None:
    """Sets what is not set; call it before TensorFlow, Keras or MLflow are imported."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
