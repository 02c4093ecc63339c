"""TFX's SchemaGen, and what inference leaves open: the classes of an integer label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from tfx import types
from tfx.components.schema_gen import component, executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts, standard_component_specs

MAX_INTEGER_CLASSES = 100
"""An integer label with a wider range is taken for a number to predict, as TFDV takes strings with more values for text."""


class SchemaGenExecutor(executor.Executor):
    """Infers the schema from the statistics of every split, then completes the label's domain."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        super().Do(input_dict, output_dict, exec_properties)
        path = Path(artifact_utils.get_single_uri(output_dict["schema"])) / executor.DEFAULT_FILE_NAME
        schema = tfdv.load_schema_text(str(path))
        statistics = Path(artifact_utils.get_single_uri(input_dict["statistics"]))
        splits = [tfdv.load_stats_binary(str(file)) for file in sorted(statistics.glob("Split-*/FeatureStats.pb"))]
        complete_label(schema, exec_properties["label"], splits)
        tfdv.write_schema_text(schema, str(path))


def complete_label(schema: Any, label: str, statistics: list[Any]) -> None:
    """Gives an integer label of at most MAX_INTEGER_CLASSES values its domain, in place.

    Args:
        schema: `schema_pb2.Schema`.
        label: The label's name.
        statistics: `DatasetFeatureStatisticsList` of every split, so that a class that is rare in one is not missed.
    """
    for feature in schema.feature:
        if feature.name != label or feature.WhichOneof("domain_info") or feature.type != 2:  # INT
            continue
        numbers = [
            column.num_stats
            for split in statistics
            for column in split.datasets[0].features
            if list(column.path.step) == [label]
        ]
        low, high = int(min(n.min for n in numbers)), int(max(n.max for n in numbers))
        if high - low < MAX_INTEGER_CLASSES:
            feature.int_domain.min = low
            feature.int_domain.max = high


class SchemaGenSpec(component_spec.ComponentSpec):
    """SchemaGen's spec and the label's name."""

    PARAMETERS = {
        **standard_component_specs.SchemaGenSpec.PARAMETERS,
        "label": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = standard_component_specs.SchemaGenSpec.INPUTS
    OUTPUTS = standard_component_specs.SchemaGenSpec.OUTPUTS


class SchemaGen(component.SchemaGen):
    """See `SchemaGenExecutor`. No feature gets a fixed shape: any value may be missing in the next delivery."""

    SPEC_CLASS = SchemaGenSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(SchemaGenExecutor)

    def __init__(self, statistics: types.BaseChannel, label: str) -> None:
        spec = SchemaGenSpec(
            statistics=statistics,
            infer_feature_shape=0,
            exclude_splits="[]",
            label=label,
            schema=types.Channel(type=standard_artifacts.Schema),
        )
        base_component.BaseComponent.__init__(self, spec=spec)
