"""Runs Register on TFX artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.register.register import register


class RegisterExecutor(base_executor.BaseExecutor):
    """Hands folders to `register.register`."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        """See the base class. Raises: As `register.register`."""
        folders = {key: Path(artifact_utils.get_single_uri(artifacts)) for key, artifacts in input_dict.items() if artifacts}
        known = ("model_name", "pipeline", "tracking_uri", "train_run_id")
        to = Path(artifact_utils.get_single_uri(output_dict["registration"]))
        register(folders, to, **{key: exec_properties[key] for key in known})
