"""ModelReport as a TFX component; what it does stands in `model_report.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts

from components.evaluate.canary_artifact import CanaryReport
from components.evaluate.model_report import canary_of, load_models, report
from components.evaluate.report_artifact import Report
from components.params.models import EvaluateParams


class ModelReportExecutor(base_executor.BaseExecutor):
    """Hands folders to `model_report.report`."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        """See the base class. Raises: As `model_report.report`."""
        folders = {key: Path(artifact_utils.get_single_uri(artifacts)) for key, artifacts in input_dict.items() if artifacts}
        to = {key: Path(artifact_utils.get_single_uri(artifacts)) for key, artifacts in output_dict.items()}
        params = EvaluateParams.model_validate_json(exec_properties["params"])
        seed, model_name = exec_properties["seed"], exec_properties["model_name"]
        with canary_of(params) as canary:
            load_models(canary, folders, params)
            report(folders, to["report"], to["canary"], params, seed=seed, model_name=model_name, canary=canary)


class ModelReportSpec(component_spec.ComponentSpec):
    """What the report reads: the model, what the Evaluator and stage validate found, and the champion where there is one."""

    PARAMETERS = {
        "params": component_spec.ExecutionParameter(type=str),
        "seed": component_spec.ExecutionParameter(type=int),
        "model_name": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "baseline_model": component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {
        "report": component_spec.ChannelParameter(type=Report),
        "canary": component_spec.ChannelParameter(type=CanaryReport),
    }


class ModelReport(base_component.BaseComponent):
    """See `ModelReportExecutor`.

    Args of the constructor: channels by their types; `baseline_model` is the champion in the layout of a Model artifact of
    the train stage; `seed` draws the bootstrap's resamples; `model_name` heads the page.
    """

    SPEC_CLASS = ModelReportSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(ModelReportExecutor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        schema: types.BaseChannel,
        evaluation: types.BaseChannel,
        blessing: types.BaseChannel,
        anomalies: types.BaseChannel,
        params: EvaluateParams,
        seed: int,
        model_name: str,
        baseline_model: types.BaseChannel | None = None,
    ) -> None:
        spec = ModelReportSpec(
            examples=examples,
            model=model,
            schema=schema,
            evaluation=evaluation,
            blessing=blessing,
            anomalies=anomalies,
            baseline_model=baseline_model,
            params=params.model_dump_json(),
            seed=seed,
            model_name=model_name,
            report=types.Channel(type=Report),
            canary=types.Channel(type=CanaryReport),
        )
        super().__init__(spec=spec)
