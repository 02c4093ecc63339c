"""Runs the stage on TFX artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact

from components.ingest import plain


class Executor(BaseExecutor):
    """See `components.ingest.plain`."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the examples, and the report about them.

        Args:
            input_dict: Empty.
            output_dict: `examples` and `ingest_report`, one artifact each.
            exec_properties: As `plain.exec_properties` makes them.

        Raises: As `plain.run`.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        report = artifact_utils.get_single_instance(output_dict["ingest_report"])
        state = Path(self._get_tmp_dir()) if plain.keeps_state(exec_properties) else None
        plain.run(exec_properties, Path(examples.uri), Path(report.uri), state)
        examples.split_names = plain.SPLIT_NAMES
        for name, value in plain.EXAMPLES_PROPERTIES["custom_properties"].items():
            examples.set_string_custom_property(name, value)
