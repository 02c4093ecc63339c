"""Evaluator: measures the model column by column in one process, and blesses it by its thresholds.

It is the one where `beam.runner` is the local runner; elsewhere `TfmaEvaluator` is, whose numbers are the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts

from components.evaluate.plain import evaluate_and_bless
from components.params.models import EvaluateParams


class EvaluatorExecutor(base_executor.BaseExecutor):
    """Hands folders to `plain.evaluate_and_bless`."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        """See the base class. Raises: As `plain.evaluate_and_bless`."""
        folders = {key: Path(artifact_utils.get_single_uri(artifacts)) for key, artifacts in input_dict.items()}
        to = {key: Path(artifact_utils.get_single_uri(artifacts)) for key, artifacts in output_dict.items()}
        params = EvaluateParams.model_validate_json(exec_properties["params"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        properties = evaluate_and_bless(folders, to["evaluation"], to["blessing"], params, seed=exec_properties["seed"])
        for name, value in properties.items():
            if isinstance(value, str):
                blessing.set_string_custom_property(name, value)
            else:
                blessing.set_int_custom_property(name, value)


class EvaluatorSpec(component_spec.ComponentSpec):
    """The stock outputs; of the inputs no baseline: the champion is ModelReport's, which compares in pairs."""

    PARAMETERS = {
        "params": component_spec.ExecutionParameter(type=str),
        "seed": component_spec.ExecutionParameter(type=int),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
    }
    OUTPUTS = {
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }


class Evaluator(base_component.BaseComponent):
    """See `plain.evaluate_and_bless`.

    Args of the constructor: channels by their types; `params`, the section `evaluate`; `seed` draws the bootstrap's resamples.
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(EvaluatorExecutor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        schema: types.BaseChannel,
        params: EvaluateParams,
        seed: int,
    ) -> None:
        spec = EvaluatorSpec(
            examples=examples,
            model=model,
            schema=schema,
            params=params.model_dump_json(),
            seed=seed,
            evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
            blessing=types.Channel(type=standard_artifacts.ModelBlessing),
        )
        super().__init__(spec=spec)
