"""What of the section `evaluate` only the trained model and the schema can tell to be wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from components.errors import ParamsError
from components.evaluate.metrics import Decision, decision_metrics, metrics_of
from components.evaluate.model_info import ModelInfo
from components.params.models import EvaluateParams

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2


def _no_metric(name: str, model: ModelInfo, metrics: list[str]) -> str:
    if model.kind == "binary" and name in decision_metrics(Decision(1.0, 1.0, 0.5)):
        return "measured only where mistakes have costs. Add evaluate.costs: {false_positive: 1.0, false_negative: 25.0}, say."
    return f"a {model.kind} model has no such metric{_did_you_mean(name, metrics)} Known: {', '.join(metrics)}."


_CONTENTS = {"image_domain": "images", "natural_language_domain": "texts"}


def check_params(model: ModelInfo, params: EvaluateParams, schema: schema_pb2.Schema) -> None:
    """Checks what only the model and the schema can tell: names of metrics and of columns.

    Raises: ParamsError, listing every mistake.
    """
    # Of the threshold only the names of its metrics are wanted here.
    decision = Decision(1.0, 1.0, 0.5) if params.costs is not None and model.kind == "binary" else None
    metrics, columns = list(metrics_of(model, decision)), sorted(feature.name for feature in schema.feature)
    contents = {each.name: _CONTENTS.get(each.WhichOneof("domain_info") or "") for each in schema.feature}
    problems = [
        f"evaluate.thresholds.{name}: {_no_metric(name, model, metrics)}" for name in params.thresholds if name not in metrics
    ]
    problems += [
        f"evaluate.slice_thresholds.{index}.thresholds.{name}: {_no_metric(name, model, metrics)}"
        for index, rule in enumerate(params.slice_thresholds)
        for name in rule.thresholds
        if name not in metrics
    ]
    if params.costs is not None and model.kind != "binary":
        problems.append(
            f"evaluate.costs: the costs of false positives and false negatives choose a threshold between two classes, and "
            f"this is a {model.kind} model. Remove the key."
        )
    for index, names in enumerate(params.slices):
        if not names:
            problems.append(f"evaluate.slices.{index}: expected names of columns, got []. The overall slice is always there.")
        problems += [
            f"evaluate.slices.{index}: the schema has no column '{name}'{_did_you_mean(name, columns)} "
            f"Known: {', '.join(columns)}."
            for name in names
            if name not in columns
        ]
        problems += [
            f"evaluate.slices.{index}: column '{name}' holds {contents[name]}, hardly two of them alike. "
            f"Expected a column of few values or of numbers{_measured(name, columns)}."
            for name in names
            if contents.get(name)
        ]
    if problems:
        raise ParamsError("\n".join(problems))


def _measured(column: str, columns: Iterable[str]) -> str:
    """What ingest measured of an image or a text."""
    names = [name for name in columns if name.startswith(f"{column}_")]
    return f", such as {', '.join(names)}" if names else ""


def _did_you_mean(found: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(found, list(known), n=1)
    return f". Did you mean '{close[0]}'?" if close else "."
