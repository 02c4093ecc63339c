"""Runs the stage on TFX artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.components.util import examples_utils
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact

from components.ingest.ingest import ingest
from components.params.models import SPLITS, DataParams


class Executor(BaseExecutor):
    """See `components.ingest.ingest`."""

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
            exec_properties: `data`, JSON of DataParams; `schema`, the text of a Schema, or nothing.

        Raises: As `ingest.ingest`.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        report = artifact_utils.get_single_instance(output_dict["ingest_report"])
        schema = None
        if exec_properties["schema"]:
            schema = text_format.Parse(exec_properties["schema"], schema_pb2.Schema())
        data = DataParams.model_validate_json(exec_properties["data"])
        state = Path(self._get_tmp_dir()) if data.has_spans else None
        ingest(data, schema, Path(examples.uri), Path(report.uri), state)
        examples.split_names = artifact_utils.encode_split_names(list(SPLITS))
        examples_utils.set_payload_format(examples, example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE)
        # No `file_format`: TFX knows none for plain TFRecord. Its readers tell gzip from plain by the file names.
