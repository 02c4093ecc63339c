"""DataDrift: profiles the training split, and compares it with the champion's profile and with the eval split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow_data_validation as tfdv
from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts

from components.drift.artifacts import Drift, Profile
from components.drift.build import Plan, profile_split
from components.drift.found import EVAL_SPLIT, TRAIN_SPLIT, Champion, find_drift
from components.drift.kinds import kinds_of
from components.drift.settings import Settings
from components.params.models import DriftParams
from components.validate.measured import Columns


class DataDriftExecutor(base_executor.BaseExecutor):
    """Writes both artifacts; raises DriftError with on_drift: fail."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        """See the base class.

        Raises:
            DriftError: The training data have drifted from the champion's, and that is to stop the pipeline.
            TensorlineError: The examples are damaged.
        """
        (artifact,) = input_dict["examples"]
        examples = Path(artifact.uri)
        (schema_file,) = Path(artifact_utils.get_single_uri(input_dict["schema"])).iterdir()
        columns = Columns.from_json(exec_properties["columns"])
        params = DriftParams.model_validate_json(exec_properties["params"])
        plan = Plan(kinds_of(tfdv.load_schema_text(str(schema_file)), columns), columns.label, exec_properties["overlap"])
        profile = profile_split(examples, TRAIN_SPLIT, plan)
        profile.write(Path(artifact_utils.get_single_uri(output_dict["profile"])))
        has_eval = EVAL_SPLIT in artifact_utils.decode_split_names(artifact.split_names)
        baseline = input_dict.get("baseline_profile")
        find_drift(
            profile,
            profile_split(examples, EVAL_SPLIT, plan) if has_eval else None,
            Champion(
                Path(artifact_utils.get_single_uri(baseline)) if baseline else None,
                exec_properties["baseline_version"],
                exec_properties["baseline_reason"],
            ),
            params,
            Path(artifact_utils.get_single_uri(output_dict["drift"])),
        )


class DataDriftSpec(component_spec.ComponentSpec):
    """What is compared and how; `baseline_profile` is the champion's, or else `baseline_reason` says why there is none."""

    PARAMETERS = {
        "columns": component_spec.ExecutionParameter(type=str),
        "overlap": component_spec.ExecutionParameter(type=float),
        "params": component_spec.ExecutionParameter(type=str),
        "baseline_version": component_spec.ExecutionParameter(type=str),
        "baseline_reason": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
        "baseline_profile": component_spec.ChannelParameter(type=Profile, optional=True),
    }
    OUTPUTS = {
        "profile": component_spec.ChannelParameter(type=Profile),
        "drift": component_spec.ChannelParameter(type=Drift),
    }


class DataDrift(base_component.BaseComponent):
    """See `DataDriftExecutor`.

    Args of the constructor: channels by their types; `settings` of the pipeline. Under the bridge `baseline_version` and
    `baseline_reason` come from the registry; a plain TFX pipeline has no champion.
    """

    SPEC_CLASS = DataDriftSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(DataDriftExecutor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        schema: types.BaseChannel,
        settings: Settings,
        baseline_profile: types.BaseChannel | None = None,
        baseline_version: str = "",
        baseline_reason: str = "this run knows no registry",
    ) -> None:
        spec = DataDriftSpec(
            examples=examples,
            schema=schema,
            baseline_profile=baseline_profile,
            columns=settings.columns.to_json(),
            overlap=settings.overlap,
            params=settings.drift.model_dump_json(),
            baseline_version=baseline_version,
            baseline_reason=baseline_reason,
            profile=types.Channel(type=Profile),
            drift=types.Channel(type=Drift),
        )
        super().__init__(spec=spec)
