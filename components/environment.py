"""Environment variables that must hold in every process of Tensorline, also without scripts/in_env.sh."""

from __future__ import annotations

import os

SETTINGS = {
    "KERAS_BACKEND": "tensorflow",  # over ~/.keras/keras.json
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # TensorFlow else takes all of a GPU's memory at once, and leaves none to the process that evaluate asks beside its own.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


def prepare() -> None:
    """Sets what is not set; call it before TensorFlow, Keras or MLflow are imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
