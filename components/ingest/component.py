"""The TFX component of the stage; what it does stands in `ingest.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.ingest.executor import Executor
from components.ingest.plain import exec_properties
from components.params.models import DataParams

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2


class IngestReport(types.Artifact):
    """Counts (`ingest.json`) and bad records (`rejects.csv`) of an ingest."""

    TYPE_NAME = "components.IngestReport"


class IngestSpec(ComponentSpec):
    """Raw files, named by parameters, to examples."""

    PARAMETERS = {
        "data": ExecutionParameter(type=str),
        "schema": ExecutionParameter(type=str),
    }
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {
        "examples": ChannelParameter(type=standard_artifacts.Examples),
        "ingest_report": ChannelParameter(type=IngestReport),
    }


class Ingest(base_component.BaseComponent):
    """Reads the raw files and writes tf.Examples in the splits train, eval and test.

    Args:
        data: The section `data` of the pipeline's parameters.
        schema: The reviewed schema, which says the columns' types; None to infer them.
    """

    SPEC_CLASS = IngestSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, data: DataParams, schema: schema_pb2.Schema | None = None) -> None:
        super().__init__(
            IngestSpec(
                **exec_properties(data, schema),
                examples=types.Channel(type=standard_artifacts.Examples),
                ingest_report=types.Channel(type=IngestReport),
            )
        )
