"""The stage without TFX, whose base classes import TensorFlow: what the TFX executor runs, and the bridge by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.ingest.ingest import ingest
from components.params.models import SPLITS, DataParams

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

SPLIT_NAMES = json.dumps(list(SPLITS))
"""As TFX encodes them."""
PAYLOAD_FORMAT = "FORMAT_TF_EXAMPLE"
EXAMPLES_PROPERTIES = {
    "properties": {"split_names": SPLIT_NAMES},
    # No `file_format`: TFX knows none for plain TFRecord. Its readers tell gzip from plain by the file names.
    "custom_properties": {"payload_format": PAYLOAD_FORMAT},
}
"""What TFX's readers are told of the examples."""


def exec_properties(data: DataParams, schema: schema_pb2.Schema | None) -> dict[str, str]:
    """The component's parameters: `data`, JSON of DataParams; `schema`, the text of a Schema, or nothing."""
    from google.protobuf import text_format

    return {"data": data.model_dump_json(), "schema": "" if schema is None else text_format.MessageToString(schema)}


def keeps_state(properties: Mapping[str, Any]) -> bool:
    """Whether there is something to be kept for the next run: what was read of each span."""
    return DataParams.model_validate_json(properties["data"]).has_spans


def run(properties: Mapping[str, Any], examples: Path, report: Path, state: Path | None) -> None:
    """Writes the examples, and the report about them.

    Args:
        properties: As `exec_properties` makes them.
        examples: Folder of the artifact.
        report: Folder of the artifact.
        state: Folder for what is to be kept; it need not be there. None if nothing is.

    Raises: As `ingest.ingest`.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    data = DataParams.model_validate_json(properties["data"])
    schema = text_format.Parse(properties["schema"], schema_pb2.Schema()) if properties["schema"] else None
    if state is not None:
        state.mkdir(parents=True, exist_ok=True)
    ingest(data, schema, examples, report, state)
