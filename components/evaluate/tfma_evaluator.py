"""TFX's Evaluator, which measures with TFMA on any Beam runner, told at run time what: the metrics depend on the model,
unknown until it is trained. On one machine the columnar Evaluator (`evaluator.py`) measures the same, many times faster.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.components.evaluator import executor
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import json_utils, proto_utils

from components.evaluate.blessing import write_not_judged
from components.evaluate.eval_config import TFMA_CLASSES, make_eval_config
from components.evaluate.model_info import read_model_info
from components.evaluate.params_check import check_params
from components.evaluate.predictions import TEST_SPLIT, count_records, read_columns
from components.evaluate.raw_schema import read_schema
from components.evaluate.slices import many_valued
from components.params.models import EvaluateParams
from components.saved_model import import_libraries


class TfmaExecutor(executor.Executor):
    """Builds the EvalConfig from model.json and `params`, then evaluates the test split as the stock executor does."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        """See the base class.

        Raises:
            ParamsError: evaluate.thresholds or evaluate.slices name what is not there.
            UserError: The test split is empty; a column of slices holds several values.
            TensorlineError: model.json asks for a module that it may not have.
        """
        params = EvaluateParams.model_validate_json(exec_properties["params"])
        model = read_model_info(Path(artifact_utils.get_single_uri(input_dict["model"])))
        schema = read_schema(Path(artifact_utils.get_single_uri(input_dict["schema"])))
        check_params(model, params, schema)
        examples = Path(artifact_utils.get_single_uri(input_dict["examples"]))
        count_records(examples)
        blessing = Path(artifact_utils.get_single_uri(output_dict["blessing"]))
        if model.kind not in TFMA_CLASSES:
            evaluation = Path(artifact_utils.get_single_uri(output_dict["evaluation"]))
            for folder in (evaluation, blessing):
                write_not_judged(folder, f"TFMA has no metrics for models of the kind {model.kind}.")
            return
        numeric = [
            each.name
            for each in schema.feature
            if each.type != schema_pb2.BYTES and any(each.name in spec for spec in params.slices)
        ]
        config = make_eval_config(model, params, many_valued(read_columns(examples, schema, numeric)) if numeric else ())
        import_libraries(model.libraries)
        properties = {
            **exec_properties,
            standard_component_specs.EVAL_CONFIG_KEY: proto_utils.proto_to_json(config),
            standard_component_specs.EXAMPLE_SPLITS_KEY: json_utils.dumps([TEST_SPLIT]),
        }
        super().Do(input_dict, output_dict, properties)
        if not blessing.is_dir() or not any(blessing.iterdir()):
            write_not_judged(blessing, "evaluate.thresholds names nothing that TFMA judges.")


class TfmaEvaluatorSpec(component_spec.ComponentSpec):
    """The stock inputs and outputs, without a baseline: the champion is ModelReport's, which compares in pairs."""

    PARAMETERS = {"params": component_spec.ExecutionParameter(type=str)}
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "schema": component_spec.ChannelParameter(type=standard_artifacts.Schema),
    }
    OUTPUTS = standard_component_specs.EvaluatorSpec.OUTPUTS
    TYPE_ANNOTATION = standard_component_specs.EvaluatorSpec.TYPE_ANNOTATION


class TfmaEvaluator(base_beam_component.BaseBeamComponent):
    """See `TfmaExecutor`."""

    SPEC_CLASS = TfmaEvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(TfmaExecutor)

    def __init__(
        self, examples: types.BaseChannel, model: types.BaseChannel, schema: types.BaseChannel, params: EvaluateParams
    ) -> None:
        spec = TfmaEvaluatorSpec(
            examples=examples,
            model=model,
            schema=schema,
            params=params.model_dump_json(),
            evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
            blessing=types.Channel(type=standard_artifacts.ModelBlessing),
        )
        super().__init__(spec=spec)
