"""TFX's SchemaGen, and what inference leaves open: the classes of an integer label, images and texts, windows' shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from tfx import types
from tfx.components.schema_gen import component, executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts, standard_component_specs

from components.validate.inferred import complete
from components.validate.measured import Columns


class SchemaGenExecutor(executor.Executor):
    """Infers the schema from the statistics of every split, then completes it."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        super().Do(input_dict, output_dict, exec_properties)
        path = Path(artifact_utils.get_single_uri(output_dict["schema"])) / executor.DEFAULT_FILE_NAME
        schema = tfdv.load_schema_text(str(path))
        statistics = Path(artifact_utils.get_single_uri(input_dict["statistics"]))
        splits = [tfdv.load_stats_binary(str(file)) for file in sorted(statistics.glob("Split-*/FeatureStats.pb"))]
        complete(schema, Columns.from_json(exec_properties["columns"]), splits)
        tfdv.write_schema_text(schema, str(path))


class SchemaGenSpec(component_spec.ComponentSpec):
    """SchemaGen's spec, the label, and which columns hold images and texts."""

    PARAMETERS = {
        **standard_component_specs.SchemaGenSpec.PARAMETERS,
        "columns": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = standard_component_specs.SchemaGenSpec.INPUTS
    OUTPUTS = standard_component_specs.SchemaGenSpec.OUTPUTS


class SchemaGen(component.SchemaGen):
    """See `SchemaGenExecutor`. Only windows get a fixed shape: any other value may be missing in the next delivery."""

    SPEC_CLASS = SchemaGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(SchemaGenExecutor)

    def __init__(self, statistics: types.BaseChannel, columns: Columns) -> None:
        spec = SchemaGenSpec(
            statistics=statistics,
            infer_feature_shape=0,
            exclude_splits="[]",
            columns=columns.to_json(),
            schema=types.Channel(type=standard_artifacts.Schema),
        )
        base_component.BaseComponent.__init__(self, spec=spec)
