"""ModelReport: measures the model on the test split, column by column, and says whether it may become the champion."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.types import artifact_utils, component_spec, standard_artifacts

from components.evaluate.agreement import check_agreement
from components.evaluate.canary import Canary, check_canary, nothing_to_ask, pick_requests
from components.evaluate.canary_artifact import CANARY_FILE, MEASURED, CanaryReport
from components.evaluate.checks import (
    Check,
    check_anomalies,
    check_latency,
    check_size,
    check_slices,
    check_thresholds,
    read_anomalies,
)
from components.evaluate.curves import make_tables
from components.evaluate.decision import choose
from components.evaluate.eval_config import TFMA_CLASSES, check_params
from components.evaluate.examples import pick_examples
from components.evaluate.guess import best_guess, check_guessing
from components.evaluate.incumbent import Cost, check_champion, shown_size_mb, size_bytes
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
            TensorlineError: The SavedModel asks for a module that it may not have, or anomalies.json can't be read.
            AccountingError: Predictions and records differ in number, or TFMA measured something else.
        """
        folders = {key: Path(artifact_utils.get_single_uri(artifacts)) for key, artifacts in input_dict.items() if artifacts}
        params = EvaluateParams.model_validate_json(exec_properties["params"])
        model = read_model_info(folders["model"])
        (schema_file,) = folders["schema"].iterdir()
        schema = tfdv.load_schema_text(str(schema_file))
        check_params(model, params, schema)
        to = {key: Path(artifact_utils.get_single_uri(artifacts)) for key, artifacts in output_dict.items()}
        with contextlib.ExitStack() as stack:
            canary = None if params.canary is None else stack.enter_context(Canary(*_asked(folders, params)))
            findings, canary_file = _find(folders, model, schema, params, exec_properties, canary)
        write_report(to["report"], findings)
        to["canary"].mkdir(parents=True, exist_ok=True)
        content = json.dumps(canary_file, indent=1)
        (to["canary"] / CANARY_FILE).write_text(content + "\n", encoding="utf-8")


def _asked(folders: Mapping[str, Path], params: EvaluateParams) -> list[Path]:
    """The models whose latency is measured."""
    with_champion = params.on_tie == "promote_if_cheaper" and "baseline_model" in folders
    return [folders["model"], *([folders["baseline_model"]] if with_champion else [])]


def _find(
    folders: dict[str, Path],
    model: ModelInfo,
    schema: schema_pb2.Schema,
    params: EvaluateParams,
    properties: Mapping[str, Any],
    canary: Canary | None,
) -> tuple[Findings, dict[str, float | None]]:
    """Everything that the report tells, and what the canary measured."""
    seed = properties["seed"]
    key_metric = key_metric_of(model)
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
    whole, *parts = make_slices(predictions.columns, params.slices)
    slices = [(whole, overall), *measure_slices(model, predictions, parts, params, seed, decision)]
    undefined = {name: metric.undefined for name, metric in metrics_of(model, decision).items()}
    tables = make_tables(model, predictions, seed, choice)
    examples = pick_examples(folders["examples"], model, predictions)
    # Asked last, so that the process has had its time to load, and this one leaves it the processor.
    canary_check, measured = _ask_canary(canary, folders["examples"], model, schema, predictions, params)
    checks = [
        check_anomalies(read_anomalies(folders["anomalies"]), params),
        check_thresholds(overall.values, undefined, params),
        check_slices(slices, undefined, params, model.unit),
        check_champion(
            overall.champion,
            model.digest,
            overall.values[key_metric.name],
            key_metric,
            params,
            _costs(folders, measured) if params.on_tie == "promote_if_cheaper" and "baseline_model" in folders else None,
        ),
        check_guessing(
            best_guess(model, key_metric, predictions, params, seed) if overall.champion is None else None,
            overall.values[key_metric.name],
            key_metric,
            model,
            params,
            incumbent=overall.champion is not None,
        ),
        canary_check,
        check_size(shown_size_mb(size_bytes(folders["model"])), params),
        check_latency(measured["latency_ms"], params),
    ]
    notes = [] if predictions.ranking is None else _ranking_notes(folders["examples"], predictions.ranking, schema)
    findings = Findings(
        model=model,
        model_name=properties["model_name"],
        key_metric=key_metric,
        confidence=params.confidence,
        predictions=predictions,
        overall=overall,
        slices=slices,
        verdict=make_verdict(
            overall, key_metric, params, checks, blessed=blessed, approximated=approximated, unit=model.unit, notes=notes
        ),
        tables=tables,
        examples=examples,
        choice=choice,
    )
    return findings, measured


def _ask_canary(
    canary: Canary | None,
    examples: Path,
    model: ModelInfo,
    schema: schema_pb2.Schema,
    predictions: Predictions,
    params: EvaluateParams,
) -> tuple[Check, dict[str, float | None]]:
    """The check, and what canary.json holds."""
    measured: dict[str, float | None] = dict.fromkeys(MEASURED)
    if canary is None or params.canary is None:
        reason = "no fresh process was asked (evaluate.canary: null)"
        return Check("canary", passed=True, reason=reason, judged=False), measured
    inputs = list(model.inputs) or [feature.name for feature in schema.feature]  # older models don't tell; they take some
    requests = pick_requests(examples, inputs, schema, params.canary)
    measured["num_requests"] = len(requests.records)
    if not len(requests.records):
        return nothing_to_ask(), measured
    answers = canary.ask(requests)
    measured.update(zip(("latency_ms", "champion_latency_ms"), answers.latency_ms, strict=False))
    outputs = predictions.outputs if predictions.ranking is None else predictions.ranking.scores
    check, measured["max_difference"] = check_canary(requests, answers, outputs[requests.records], model, params.canary)
    return check, measured


def _costs(folders: Mapping[str, Path], measured: Mapping[str, float | None]) -> tuple[Cost, Cost]:
    """Of candidate and champion."""
    return (
        Cost(size_bytes(folders["model"]), measured["latency_ms"]),
        Cost(size_bytes(folders["baseline_model"]), measured["champion_latency_ms"]),
    )


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
    """What the report reads: the model, what TFMA and stage validate found, and the champion where there is one."""

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
