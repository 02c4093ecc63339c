"""Measures a model: every metric, the key metric's interval, and the distance to the champion on the same resamples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from numpy.typing import NDArray

from components.errors import TensorlineError
from components.evaluate.bootstrap import bootstrap, interval
from components.evaluate.metrics import Decision, Metric, metrics_of
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import Predictions
from components.evaluate.slices import Slice
from components.params.models import EvaluateParams

MAX_EXAMPLES = 25_000
"""Of more, intervals are narrow, and those of all metrics would take minutes."""


@dataclass(frozen=True)
class Comparison:
    """The candidate against the champion, on the same examples and the same resamples.

    Attributes:
        digest: Of the champion, as in its model.json.
        value: The champion's key metric; None where undefined.
        difference: How much better the candidate is, in the key metric's units (negative: worse, whichever way is up).
        low, high: Bootstrap interval of the difference.
        problem: Why the two can't be compared; then all numbers are None.
    """

    digest: str
    value: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Measurement:
    """What was measured on some examples.

    Attributes:
        num_examples: How many; of a ranking, how many groups.
        values: Metric name → value; None where undefined.
        low, high: Bootstrap interval of the key metric; None where undefined.
        champion: Only overall, and only if there is one.
        intervals: Metric name → bootstrap interval, of those metrics that have one: overall of every metric (see `measure`),
            of a slice of the key metric.
    """

    num_examples: int
    values: dict[str, float | None]
    low: float | None
    high: float | None
    champion: Comparison | None = None
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


def key_metric_of(model: ModelInfo) -> Metric:
    """The metric that the summary, the gate and the interval are about.

    Raises: TensorlineError if the recipe names one that its kind of model doesn't have, or that has no better direction.
    """
    metrics = {name: metric for name, metric in metrics_of(model).items() if metric.better is not None}
    if model.key_metric not in metrics:
        raise TensorlineError(
            f"model.json: key_metric: a {model.kind} model has no '{model.key_metric}' to be judged by. "
            f"Expected one of {', '.join(metrics)}: change key_metric in the recipe."
        )
    return metrics[model.key_metric]


def measure(
    model: ModelInfo, predictions: Predictions, params: EvaluateParams, seed: int, decision: Decision | None = None
) -> Measurement:
    """All examples, without a champion; every metric with its interval, of more than `MAX_EXAMPLES` only the key metric."""
    metrics = metrics_of(model, decision)
    with_interval = list(metrics) if len(predictions.labels) <= MAX_EXAMPLES else [key_metric_of(model).name]
    return _measure(model, predictions, metrics, with_interval, params, (seed,))


def measure_slices(
    model: ModelInfo,
    predictions: Predictions,
    slices: Iterable[Slice],
    params: EvaluateParams,
    seed: int,
    decision: Decision | None = None,
) -> list[tuple[Slice, Measurement]]:
    """Each slice on its own resamples; only the key metric has an interval."""
    metrics, key_metric = metrics_of(model, decision), key_metric_of(model).name
    return [
        (each, _measure(model, take(predictions, each), metrics, [key_metric], params, (seed, index + 1)))
        for index, each in enumerate(slices)
    ]


def compare(
    metric: Metric, predictions: Predictions, champion: Predictions, digest: str, *, params: EvaluateParams, seed: int
) -> Comparison:
    """The key metric of candidate and champion on the same resamples: what both get wrong alike cancels out."""
    both = (predictions, champion)
    ours, theirs = (metric.value(each.labels, each.outputs) for each in both)
    if math.isnan(ours) or math.isnan(theirs):
        return Comparison(digest, problem=f"{metric.name} is undefined for one of them: {metric.undefined}")
    low, high = paired_interval(metric, predictions.labels, (predictions.outputs, champion.outputs), params, seed) or (
        None,
        None,
    )
    return Comparison(digest, theirs, metric.sign * (ours - theirs), low, high)


def paired_interval(
    metric: Metric, labels: NDArray, outputs: tuple[NDArray, NDArray], params: EvaluateParams, seed: int
) -> tuple[float, float] | None:
    """Bootstrap interval of how much better the first outputs are than the second, on the same resamples; None if unknown."""
    estimators = [metric.estimator(labels, each) for each in outputs]
    resampled = bootstrap(estimators, len(labels), params.num_resamples, (seed,))
    return interval(metric.sign * (resampled[0] - resampled[1]), params.confidence)


def why_incomparable(model: ModelInfo, champion: ModelInfo) -> str | None:
    """Why the champion can't predict what the candidate predicts, and what to do; None if it can."""
    if model.kind != champion.kind:
        found = f"the champion is a {champion.kind} model, the candidate a {model.kind} one"
    elif model.label != champion.label:
        found = f"the champion predicts '{champion.label}', the candidate '{model.label}'"
    elif model.group != champion.group:
        found = f"the champion ranks within '{champion.group}', the candidate within '{model.group}'"
    elif set(model.class_names) != set(champion.class_names):
        found = f"the champion knows the classes {sorted(champion.class_names)}, the candidate {sorted(model.class_names)}"
    elif set(model.scores) - set(champion.scores):
        missing = sorted(set(model.scores) - set(champion.scores))
        found = f"the champion does not score {missing}"
    else:
        return None
    return f"{found}; use another register.model_name, or take the alias from the champion"


def _measure(
    model: ModelInfo,
    predictions: Predictions,
    metrics: Mapping[str, Metric],
    with_interval: Iterable[str],
    params: EvaluateParams,
    seed: tuple[int, ...],
) -> Measurement:
    labels, outputs = predictions.labels, predictions.outputs
    values = {name: metric.value(labels, outputs) for name, metric in metrics.items()}
    defined = [name for name in with_interval if not math.isnan(values[name])]
    intervals = {}
    if defined:
        estimators = [metrics[name].estimator(labels, outputs) for name in defined]
        resampled = bootstrap(estimators, len(labels), params.num_resamples, seed)
        found = {name: interval(row, params.confidence) for name, row in zip(defined, resampled, strict=True)}
        intervals = {name: bounds for name, bounds in found.items() if bounds is not None}
    low, high = intervals.get(key_metric_of(model).name, (None, None))
    shown = {name: None if math.isnan(value) else value for name, value in values.items()}
    return Measurement(len(labels), shown, low, high, intervals=intervals)


def take(predictions: Predictions, part: Slice) -> Predictions:
    """The predictions of a slice."""
    return Predictions(predictions.labels[part.rows], predictions.outputs[part.rows], predictions.columns.iloc[part.rows])
