"""Register: gives a model a version in the registry, and makes it the champion if the gate says so."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.drift.artifacts import Profile
from components.evaluate.report_artifact import Report
from components.register.executor import RegisterExecutor
from components.register.registration import Registration


class RegisterSpec(component_spec.ComponentSpec):
    """What registering reads: the model, the report with the verdict, examples to show what the model takes, and the profile
    of the training data, which those of later models are held against.
    """

    PARAMETERS = {
        "model_name": component_spec.ExecutionParameter(type=str),
        "pipeline": component_spec.ExecutionParameter(type=str),
        "tracking_uri": component_spec.ExecutionParameter(type=str),
        "train_run_id": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "report": component_spec.ChannelParameter(type=Report),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "profile": component_spec.ChannelParameter(type=Profile, optional=True),
    }
    OUTPUTS = {"registration": component_spec.ChannelParameter(type=Registration)}


class Register(base_component.BaseComponent):
    """See `RegisterExecutor`.

    Args of the constructor: channels by their types; `model_name` in the registry; `pipeline` names the experiment and the
    stages in messages; `tracking_uri` of the MLflow store ('': the default one); `train_run_id` is the run that trained the
    model ('': the model gets a run of its own).
    """

    SPEC_CLASS = RegisterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(RegisterExecutor)

    def __init__(
        self,
        *,
        model: types.BaseChannel,
        report: types.BaseChannel,
        examples: types.BaseChannel,
        profile: types.BaseChannel | None = None,
        model_name: str,
        pipeline: str,
        tracking_uri: str = "",
        train_run_id: str = "",
    ) -> None:
        spec = RegisterSpec(
            model=model,
            report=report,
            examples=examples,
            profile=profile,
            model_name=model_name,
            pipeline=pipeline,
            tracking_uri=tracking_uri,
            train_run_id=train_run_id,
            registration=types.Channel(type=Registration),
        )
        super().__init__(spec=spec)
