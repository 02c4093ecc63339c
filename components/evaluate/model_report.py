"""What ModelReport does: compares the evaluated model with the champion, judges it, and writes the report, without TFX."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from components.evaluate.blessing import read_blessing
from components.evaluate.canary import Canary, check_canary, nothing_to_ask, pick_requests
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
from components.evaluate.evaluation import Evaluation, evaluate, undefined_of
from components.evaluate.evaluation_files import is_columnar, read_evaluation
from components.evaluate.examples import pick_examples
from components.evaluate.files import CANARY_FILE, MEASURED
from components.evaluate.guess import best_guess, check_guessing
from components.evaluate.incumbent import Cost, check_champion, shown_size_mb, size_bytes
from components.evaluate.measure import Comparison, compare, key_metric_of, why_incomparable
from components.evaluate.model_info import ModelInfo, read_model_info
from components.evaluate.params_check import check_params
from components.evaluate.predictions import TRAIN_SPLIT, Predictions, predict_as, read_columns
from components.evaluate.ranking import Ranking
from components.evaluate.raw_schema import read_schema
from components.evaluate.report import Findings, Measured, Pictures, write_measured, write_report
from components.evaluate.verdict import make_verdict
from components.params.models import EvaluateParams

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2


def canary_of(params: EvaluateParams) -> AbstractContextManager[Canary | None]:
    """The process that `report` asks, or none where evaluate.canary is null; started early, it imports meanwhile.

    Args:
        params: The section `evaluate`.
    """
    return nullcontext() if params.canary is None else Canary()


def load_models(canary: Canary | None, folders: Mapping[str, Path], params: EvaluateParams) -> None:
    """Has the canary load what `report` will ask it for, as early as that is known.

    Args:
        canary: As `canary_of` gives it.
        folders: Of the artifacts: `model`, and `baseline_model` if there is a champion.
        params: The section `evaluate`.
    """
    if canary is not None:
        canary.load(*_asked(folders, params))


def report(
    folders: Mapping[str, Path],
    report_folder: Path,
    canary_folder: Path,
    params: EvaluateParams,
    *,
    seed: int,
    model_name: str,
    canary: Canary | None,
) -> None:
    """Judges the model, and writes the artifacts `report` and `canary`.

    Args:
        folders: Of the artifacts `examples`, `model`, `schema`, `evaluation` (of either Evaluator), `blessing`, `anomalies`,
            and `baseline_model` if there is a champion.
        report_folder: Of the artifact; it need not be there.
        canary_folder: Likewise.
        params: The section `evaluate`.
        seed: Draws the bootstrap's resamples.
        model_name: Heads the page.
        canary: As `load_models` leaves it.

    Raises:
        ParamsError: evaluate.thresholds or evaluate.slices name what is not there.
        UserError: The test split is empty, the model predicts NaN, or slices are too many.
        TensorlineError: The SavedModel asks for a module that it may not have, or anomalies.json can't be read.
        AccountingError: Predictions and records differ in number, or the Evaluator measured something else.
    """
    model = read_model_info(folders["model"])
    schema = read_schema(folders["schema"])
    check_params(model, params, schema)
    findings, pictures, canary_file = _find(folders, report_folder, model, schema, params, seed, model_name, canary)
    write_report(report_folder, findings, pictures)
    canary_folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(canary_file, indent=1)
    (canary_folder / CANARY_FILE).write_text(content + "\n", encoding="utf-8")


def _asked(folders: Mapping[str, Path], params: EvaluateParams) -> list[Path]:
    """The models whose latency is measured."""
    with_champion = params.on_tie == "promote_if_cheaper" and "baseline_model" in folders
    return [folders["model"], *([folders["baseline_model"]] if with_champion else [])]


def _evaluated(
    folders: Mapping[str, Path], model: ModelInfo, schema: schema_pb2.Schema, params: EvaluateParams, seed: int
) -> tuple[Evaluation, bool | None, list[str]]:
    """What was measured, the Evaluator's blessing, and the thresholds that TFMA's approximation judges otherwise.

    TFMA keeps no predictions, so what it measured is measured again, and held against its results.
    """
    if is_columnar(folders["evaluation"]):
        found = read_evaluation(folders["evaluation"], folders["examples"], model, params, seed)
        return found, read_blessing(folders["blessing"]), []
    from components.evaluate.agreement import check_agreement
    from components.evaluate.eval_config import TFMA_CLASSES

    found = evaluate(folders["examples"], folders["model"], model, schema, params, seed)
    if model.kind not in TFMA_CLASSES:
        return found, None, []
    blessed, approximated = check_agreement(model, found.predictions, params, folders["evaluation"], folders["blessing"])
    return found, blessed, approximated


def _find(
    folders: Mapping[str, Path],
    report_folder: Path,
    model: ModelInfo,
    schema: schema_pb2.Schema,
    params: EvaluateParams,
    seed: int,
    model_name: str,
    canary: Canary | None,
) -> tuple[Findings, Pictures, dict[str, float | None]]:
    """Everything that the report tells, the pictures, which are written already, and what the canary measured."""
    key_metric = key_metric_of(model)
    evaluation, blessed, approximated = _evaluated(folders, model, schema, params, seed)
    predictions, choice, overall = evaluation.predictions, evaluation.choice, evaluation.overall
    if "baseline_model" in folders:
        overall = dataclasses.replace(overall, champion=_compare(folders, model, predictions, params, seed))
    slices = [(evaluation.slices[0][0], overall), *evaluation.slices[1:]]
    undefined = undefined_of(model, choice)
    measured = Measured(
        model=model,
        model_name=model_name,
        key_metric=key_metric,
        confidence=params.confidence,
        predictions=predictions,
        overall=overall,
        slices=slices,
        tables=make_tables(model, predictions, seed, choice),
        examples=pick_examples(folders["examples"], model, predictions),
        choice=choice,
    )
    pictures = write_measured(report_folder, measured)
    guess = best_guess(model, key_metric, predictions, params, seed) if overall.champion is None else None
    # Asked last, so that the process has had its time to load, and this one leaves it the processor.
    canary_check, of_canary = _ask_canary(canary, folders["examples"], model, schema, predictions, params)
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
            _costs(folders, of_canary) if params.on_tie == "promote_if_cheaper" and "baseline_model" in folders else None,
        ),
        check_guessing(
            guess,
            overall.values[key_metric.name],
            key_metric,
            model,
            params,
            incumbent=overall.champion is not None,
        ),
        canary_check,
        check_size(shown_size_mb(size_bytes(folders["model"])), params),
        check_latency(of_canary["latency_ms"], params),
    ]
    notes = [] if predictions.ranking is None else _ranking_notes(folders["examples"], predictions.ranking, schema)
    verdict = make_verdict(
        overall, key_metric, params, checks, blessed=blessed, approximated=approximated, unit=model.unit, notes=notes
    )
    return Findings(**vars(measured), verdict=verdict), pictures, of_canary


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
    folders: Mapping[str, Path], model: ModelInfo, predictions: Predictions, params: EvaluateParams, seed: int
) -> Comparison:
    import tensorflow as tf

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
