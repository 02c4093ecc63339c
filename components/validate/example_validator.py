"""TFX's ExampleValidator that shows the offending examples, and stops when told so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from tfx import types
from tfx.components.example_validator import component, executor
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts, standard_component_specs

from components.validate.anomalies import report


class ExampleValidatorExecutor(executor.Executor):
    """Adds `anomalies.json` (see `anomalies.Anomaly`) to the stock output; raises AnomalyError with on_anomaly: fail."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> Any:
        result = super().Do(input_dict, output_dict, exec_properties)
        folder = Path(artifact_utils.get_single_uri(output_dict["anomalies"]))
        (schema_file,) = Path(artifact_utils.get_single_uri(input_dict["schema"])).iterdir()
        schema = tfdv.load_schema_text(str(schema_file))
        examples = Path(artifact_utils.get_single_uri(input_dict["examples"]))
        report(folder, schema, examples, exec_properties["on_anomaly"], exec_properties["num_shown"])
        return result


class ExampleValidatorSpec(component_spec.ComponentSpec):
    """ExampleValidator's spec, the examples, and what to do about anomalies."""

    PARAMETERS = {
        **standard_component_specs.ExampleValidatorSpec.PARAMETERS,
        "on_anomaly": component_spec.ExecutionParameter(type=str),
        "num_shown": component_spec.ExecutionParameter(type=int),
    }
    INPUTS = {
        **standard_component_specs.ExampleValidatorSpec.INPUTS,
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = standard_component_specs.ExampleValidatorSpec.OUTPUTS


class ExampleValidator(component.ExampleValidator):
    """See `ExampleValidatorExecutor`."""

    SPEC_CLASS = ExampleValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ExampleValidatorExecutor)

    def __init__(
        self,
        statistics: types.BaseChannel,
        schema: types.BaseChannel,
        examples: types.BaseChannel,
        on_anomaly: str,
        num_shown: int,
    ) -> None:
        spec = ExampleValidatorSpec(
            statistics=statistics,
            schema=schema,
            examples=examples,
            exclude_splits="[]",
            on_anomaly=on_anomaly,
            num_shown=num_shown,
            anomalies=types.Channel(type=standard_artifacts.ExampleAnomalies),
        )
        base_component.BaseComponent.__init__(self, spec=spec)
