"""Proves that TFMA and ModelReport, which measure the same model on the same examples by different code, agree.

TFMA's AUCs are approximations: it counts scores in 10,000 buckets and takes those in one bucket for equal. So ours are
compared with what our exact formula gives on scores rounded in the same way, and neither small test splits nor models whose
scores lie close together make the comparison fuzzy.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray

from components.errors import AccountingError
from components.evaluate.blessing import BLESSED, NOT_BLESSED
from components.evaluate.eval_config import tfma_classes
from components.evaluate.metrics import METRICS
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import Predictions
from components.params.models import EvaluateParams

_NUM_BUCKETS = 10_000
_TOLERANCE = 1e-3  # Keras' metrics, which TFMA wraps, add up in float32


def check_agreement(
    model: ModelInfo, predictions: Predictions, params: EvaluateParams, evaluation: Path, blessing: Path
) -> tuple[bool | None, list[str]]:
    """Compares every metric that both know, and TFMA's blessing with the thresholds.

    Args:
        model: What is judged.
        predictions: The test split.
        params: The section `evaluate`.
        evaluation: Folder of TFMA's results.
        blessing: Folder of TFMA's blessing.

    Returns:
        TFMA's blessing (None if TFMA had no threshold to judge), and the names of thresholds that TFMA's approximation
        judges otherwise than the exact value.

    Raises: AccountingError if the two disagree.
    """
    theirs = tfma.load_eval_result(str(evaluation)).get_metrics_for_slice(slice_name=())
    found = {name: value.get("doubleValue", math.nan) for name, value in theirs.items()}
    num_examples = len(predictions.labels)
    if found["example_count"] != num_examples:
        raise AccountingError(
            f"evaluate: TFMA evaluated {found['example_count']:,.0f} examples, the test split holds {num_examples:,}. "
            "Expected the same; with a multi-process Beam runner, try beam.options.direct_running_mode: in_memory."
        )
    ours = as_tfma_sees_it(model, predictions)
    differing = [
        f"{name} is {ours[name]:.6g} here and {found[name]:.6g} in TFMA"
        for name in ours
        if not math.isnan(ours[name]) and not math.isclose(ours[name], found[name], rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    ]
    if differing:
        raise AccountingError(
            f"evaluate: ModelReport and TFMA measure different values: {'; '.join(differing)}. "
            "Expected the same from the same model and examples; was one of them replaced in between? Rerun evaluate."
        )
    return _blessing(model, predictions, params, found, blessing)


def _blessing(
    model: ModelInfo, predictions: Predictions, params: EvaluateParams, found: dict[str, float], blessing: Path
) -> tuple[bool | None, list[str]]:
    judged = [name for name in params.thresholds if name in tfma_classes(model)]
    if not judged:
        return None, []
    exact = {name: METRICS[model.kind][name].value(predictions.labels, predictions.outputs) for name in judged}
    verdicts = {name: (_meets(found[name], params, name), _meets(exact[name], params, name)) for name in judged}
    expected = all(theirs for theirs, _ in verdicts.values())
    blessed = (blessing / BLESSED).exists()
    if blessed == (blessing / NOT_BLESSED).exists() or blessed != expected:
        raise AccountingError(
            f"evaluate: TFMA's blessing says {sorted(path.name for path in blessing.iterdir())}, but its metrics "
            f"{'meet' if expected else 'break'} the thresholds {judged}. Expected both alike; rerun evaluate, or report it."
        )
    return blessed, [name for name, (theirs, ours) in verdicts.items() if theirs != ours]


def _meets(value: float, params: EvaluateParams, name: str) -> bool:
    limit = params.thresholds[name]
    return (limit.min is None or value >= limit.min) and (limit.max is None or value <= limit.max) and not math.isnan(value)


def as_tfma_sees_it(model: ModelInfo, predictions: Predictions) -> dict[str, float]:
    """Name → value of the metrics that TFMA knows, with its approximations; NaN where undefined."""
    values = {}
    for name in tfma_classes(model):
        outputs = predictions.outputs
        if name in {"auc", "auc_pr"}:
            outputs = bucketed(outputs)
        elif name.startswith("top_"):
            outputs = _label_first(predictions)
        values[name] = METRICS[model.kind][name].value(predictions.labels, outputs)
    return values


def _label_first(predictions: Predictions) -> NDArray:
    """Probabilities with each example's class above those that are equally likely: TFMA counts all of them as at the top."""
    outputs, labels = predictions.outputs.copy(), predictions.labels[:, None]
    of_label = np.take_along_axis(outputs, labels, axis=1)
    np.put_along_axis(outputs, labels, np.nextafter(of_label, np.inf), axis=1)
    return outputs


def bucketed(scores: NDArray) -> NDArray:
    """Scores in [0, 1] as TFMA's AUCs tell them apart: two histograms in a row, of 10,000 and of 9,999 buckets."""
    epsilon = 1e-7
    lower = np.minimum(np.floor(scores * _NUM_BUCKETS), _NUM_BUCKETS) / _NUM_BUCKETS
    edges = np.concatenate([[0.0], np.arange(1, _NUM_BUCKETS - 1) / (_NUM_BUCKETS - 1) + epsilon, [1 + 2 * epsilon]])
    return np.searchsorted(edges, lower, side="right").astype(np.float64)
