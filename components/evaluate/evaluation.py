"""The columnar evaluation: predicts the test split once, then measures it whole and by slice, without TFX, TFMA or Beam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.evaluate.decision import Choice, choose
from components.evaluate.measure import Measurement, measure, measure_slices
from components.evaluate.metrics import metrics_of
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import EVAL_SPLIT, Predictions, predict
from components.evaluate.slices import Slice, make_slices
from components.params.models import EvaluateParams

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2


@dataclass(frozen=True)
class Evaluation:
    """What was predicted and measured.

    Attributes:
        predictions: Of the test split.
        slices: The overall one first, without a champion, then each of evaluate.slices.
        choice: The decision threshold, where mistakes have costs.
    """

    predictions: Predictions
    slices: Sequence[tuple[Slice, Measurement]]
    choice: Choice | None = None

    @property
    def overall(self) -> Measurement:
        """Of the whole test split."""
        return self.slices[0][1]


def evaluate(
    examples: Path, folder: Path, model: ModelInfo, schema: schema_pb2.Schema, params: EvaluateParams, seed: int
) -> Evaluation:
    """Predicts and measures.

    Args:
        examples: Folder of the Examples artifact.
        folder: Folder of the Model artifact.
        model: What its model.json says.
        schema: Of the raw features.
        params: The section `evaluate`.
        seed: Draws the bootstrap's resamples.

    Raises: UserError and AccountingError as `predict`; UserError where slices are too many.
    """
    predictions = predict(examples, folder, model, schema, slice_columns(params))
    choice = None
    if params.costs is not None:
        on_eval = predict(examples, folder, model, schema, split=EVAL_SPLIT)
        choice = choose(on_eval.labels, on_eval.outputs, params.costs)
    decision = None if choice is None else choice.decision
    overall = measure(model, predictions, params, seed, decision)
    whole, *parts = make_slices(predictions.columns, params.slices)
    slices = [(whole, overall), *measure_slices(model, predictions, parts, params, seed, decision)]
    return Evaluation(predictions, slices, choice)


def slice_columns(params: EvaluateParams) -> list[str]:
    """The raw columns that evaluate.slices name, each once."""
    return list(dict.fromkeys(column for spec in params.slices for column in spec))


def undefined_of(model: ModelInfo, choice: Choice | None) -> dict[str, str]:
    """Metric name → why it may have no value."""
    decision = None if choice is None else choice.decision
    return {name: metric.undefined for name, metric in metrics_of(model, decision).items()}
