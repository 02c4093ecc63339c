"""TFX's StatisticsGen for data with images and texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from tfx import types
from tfx.components.statistics_gen import component, executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import io_utils

from components.validate.contents import CONTENTS_FOLDER, write_contents
from components.validate.counting import statistics_schema
from components.validate.measured import Columns


class StatisticsGenExecutor(executor.Executor):
    """The stock statistics, in which images and texts are bytes, and `contents.write_contents` where there are any."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        columns = Columns.from_json(exec_properties["columns"])
        schema = None
        if input_dict.get(standard_component_specs.SCHEMA_KEY):
            folder = artifact_utils.get_single_uri(input_dict[standard_component_specs.SCHEMA_KEY])
            schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(folder))
        options = tfdv.StatsOptions(schema=statistics_schema(schema, {*columns.images, *columns.texts}))
        stock_properties = {**exec_properties, standard_component_specs.STATS_OPTIONS_JSON_KEY: options.to_json()}
        examples = input_dict[standard_component_specs.EXAMPLES_KEY]
        super().Do({standard_component_specs.EXAMPLES_KEY: examples}, output_dict, stock_properties)
        if columns.images or columns.texts:
            statistics = Path(artifact_utils.get_single_uri(output_dict[standard_component_specs.STATISTICS_KEY]))
            (artifact,) = examples
            splits = artifact_utils.decode_split_names(artifact.split_names)
            write_contents(
                Path(artifact.uri), splits, columns.images, columns.texts, columns.label, statistics / CONTENTS_FOLDER
            )


class StatisticsGenSpec(component_spec.ComponentSpec):
    """StatisticsGen's spec, and which columns hold images and texts."""

    PARAMETERS = {
        **standard_component_specs.StatisticsGenSpec.PARAMETERS,
        "columns": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = standard_component_specs.StatisticsGenSpec.INPUTS
    OUTPUTS = standard_component_specs.StatisticsGenSpec.OUTPUTS


class StatisticsGen(component.StatisticsGen):
    """See `StatisticsGenExecutor`."""

    SPEC_CLASS = StatisticsGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(StatisticsGenExecutor)

    def __init__(self, examples: types.BaseChannel, columns: Columns, schema: types.BaseChannel | None = None) -> None:
        spec = StatisticsGenSpec(
            examples=examples,
            schema=schema,
            columns=columns.to_json(),
            exclude_splits="[]",
            statistics=types.Channel(type=standard_artifacts.ExampleStatistics),
        )
        base_component.BaseComponent.__init__(self, spec=spec)
