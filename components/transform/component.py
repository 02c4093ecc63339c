"""TFX's Transform, whose preprocessing function also sees the schema.

A recipe takes its features from the schema, which is an artifact and so is known only at run time; stock Transform tells
the preprocessing function nothing but the custom config.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfx.components.transform import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils
from tfx.utils import json_utils

SCHEMA_KEY = "schema_text"


class TransformExecutor(executor.Executor):
    """Puts the text of the schema into the custom config, under SCHEMA_KEY."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        (schema_file,) = Path(artifact_utils.get_single_uri(input_dict["schema"])).iterdir()
        config = json_utils.loads(exec_properties["custom_config"])
        config[SCHEMA_KEY] = schema_file.read_text(encoding="utf-8")
        super().Do(input_dict, output_dict, {**exec_properties, "custom_config": json_utils.dumps(config)})


class Transform(component.Transform):
    """See `TransformExecutor`."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(TransformExecutor)
