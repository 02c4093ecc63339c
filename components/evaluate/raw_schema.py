"""Reads the Schema artifact without TFDV, whose import takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2


def read_schema(folder: Path) -> schema_pb2.Schema:
    """The schema in the folder of its artifact, which holds this one file."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    (path,) = folder.iterdir()
    return text_format.Parse(path.read_text(encoding="utf-8"), schema_pb2.Schema())
