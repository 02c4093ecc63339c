"""ModelReport: measures the model on the test split, column by column, and says whether it may become the champion."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts

from components.evaluate.agreement import check_agreement
from components.evaluate.curves import make_tables
from components.evaluate.decision import choose
from components.evaluate.eval_config import TFMA_CLASSES, check_params
from components.evaluate.examples import pick_examples
from components.evaluate.measure import Comparison, compare, key_metric_of, measure, measure_slices, why_incomparable
from components.evaluate.metrics import metrics_of
from components.evaluate.model_info import ModelInfo, read_model_info
from components.evaluate.predictions import EVAL_SPLIT, TRAIN_SPLIT, Predictions, predict, predict_as, read_columns
from components.evaluate.ranking import Ranking
from components.evaluate.report import Findings, write_report
from components.evaluate.report_artifact import Report
from components.evaluate.slices import make_slices
from components.evaluate.verdict import make_verdict
from components.params.models import EvaluateParams


class ModelReportExecutor(base_executor.BaseExecutor):
    """Predicts, measures, compares, judges, writes."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        """See the base class.

        Raises:
            ParamsError: evaluate.thresholds or evaluate.slices name what is not there.
            UserError: The test split is empty, the model predicts NaN, or slices are too many.
            TensorlineError: The SavedModel asks for a module that it may not have.
            AccountingError: Predictions and records differ in number, or TFMA measured something else.
        """
        folders = {key: Path(artifact_utils.get_single_uri(artifacts)) for key, artifacts in input_dict.items() if artifacts}
        params = EvaluateParams.model_validate_json(exec_properties["params"])
        seed = exec_properties["seed"]
        model = read_model_info(folders["model"])
        key_metric = key_metric_of(model)
        (schema_file,) = folders["schema"].iterdir()
        schema = tfdv.load_schema_text(str(schema_file))
        check_params(model, params, schema)

        columns = list(dict.fromkeys(column for spec in params.slices for column in spec))
        predictions = predict(folders["examples"], folders["model"], model, schema, columns)
        blessed: bool | None = None
        approximated: list[str] = []
        if model.kind in TFMA_CLASSES:
            blessed, approximated = check_agreement(model, predictions, params, folders["evaluation"], folders["blessing"])
        choice = None
        if params.costs is not None:
            on_eval = predict(folders["examples"], folders["model"], model, schema, split=EVAL_SPLIT)
            choice = choose(on_eval.labels, on_eval.outputs, params.costs)
        decision = None if choice is None else choice.decision
        overall = measure(model, predictions, params, seed, decision)
        if "baseline_model" in folders:
            overall = dataclasses.replace(overall, champion=_compare(folders, model, predictions, params, seed))
        metrics = metrics_of(model, decision)
        undefined = {name: metric.undefined for name, metric in metrics.items() if overall.values[name] is None}
        notes = [] if predictions.ranking is None else _ranking_notes(folders["examples"], predictions.ranking, schema)
        verdict = make_verdict(
            overall, key_metric, undefined, params, blessed=blessed, approximated=approximated, unit=model.unit, notes=notes
        )
        whole, *parts = make_slices(predictions.columns, params.slices)
        findings = Findings(
            model=model,
            model_name=exec_properties["model_name"],
            key_metric=key_metric,
            confidence=params.confidence,
            predictions=predictions,
            overall=overall,
            slices=[(whole, overall), *measure_slices(model, predictions, parts, params, seed, decision)],
            verdict=verdict,
            tables=make_tables(model, predictions, seed, choice),
            examples=pick_examples(folders["examples"], model, predictions),
            choice=choice,
        )
        write_report(Path(artifact_utils.get_single_uri(output_dict["report"])), findings)


def _compare(
    folders: dict[str, Path], model: ModelInfo, predictions: Predictions, params: EvaluateParams, seed: int
) -> Comparison:
    champion = read_model_info(folders["baseline_model"])
    problem = why_incomparable(model, champion)
    if problem is not None:
        return Comparison(champion.digest, problem=problem)
    try:
        of_champion = predict_as(predictions, folders["examples"], folders["baseline_model"], champion, model)
    except tf.errors.OpError as error:
        # TensorFlow tells where in the graph first, and what was wrong last; lines of the graph are indented.
        said = [line for line in error.message.splitlines() if line and not line[0].isspace()][-1]
        advice = "use another register.model_name, or take the alias from the champion"
        return Comparison(champion.digest, problem=f"it can't read these examples ({said}); {advice}")
    return compare(key_metric_of(model), predictions, of_champion, champion.digest, params=params, seed=seed)


def _ranking_notes(examples: Path, ranking: Ranking, schema: schema_pb2.Schema) -> list[str]:
    """Which groups are not judged, and which the model has seen parts of."""
    single, equal = ranking.left_out
    notes = []
    if single or equal:
        notes.append(
            f"{single + equal:,} of {len(ranking.judged):,} groups have no order and are left out: {single:,} hold a single "
            f"example, {equal:,} several that are equally relevant."
        )
    known = read_columns(examples, schema, [ranking.group], TRAIN_SPLIT)[ranking.group]
    judged = ranking.columns_of_groups([ranking.group])[ranking.group]
    torn = int(judged.isin(known).sum())
    if torn:
        notes.append(
            f"Of the {len(judged):,} groups that are judged, {torn:,} also have examples in the training split, so these "
            f"values are of parts of groups, and too good for new ones. data.split.key: [{ranking.group}] keeps groups whole."
        )
    return notes


class ModelReportSpec(component_spec.ComponentSpec):
    """What the report reads: the model, what TFMA found, and the champion where there is one."""

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
        "baseline_model": component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {"report": component_spec.ChannelParameter(type=Report)}


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
            baseline_model=baseline_model,
            params=params.model_dump_json(),
            seed=seed,
            model_name=model_name,
            report=types.Channel(type=Report),
        )
        super().__init__(spec=spec)
