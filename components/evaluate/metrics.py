"""The metrics by kind of model, vectorised over examples and bootstrap resamples at once.

An *estimator* maps weights (float64, [resamples, examples]: how often each example stands in each resample) to values
(float64, [resamples]), NaN where the metric is undefined. It sorts or compares the predictions once, when it is made, so
that a thousand resamples cost little more than one. The plain value of a metric is its estimate under weights of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from components.evaluate.ranking import SCORES

if TYPE_CHECKING:
    from components.evaluate.model_info import ModelInfo

Floats = NDArray[np.float64]
Estimator = Callable[[Floats], Floats]
Called = Callable[[NDArray], NDArray[np.bool_]]
"""Scores → which examples are called positive."""

# Keras and TFMA clip probabilities at the same distance from 0 and 1, so that one wrong certainty isn't an infinite loss.
_EPSILON = 1e-7


@dataclass(frozen=True)
class Decision:
    """From which score on an example is called positive, and the costs that the threshold was chosen by.

    Attributes:
        false_positive, false_negative: What each such mistake costs.
        threshold: A score of at least this is called positive.
    """

    false_positive: float
    false_negative: float
    threshold: float

    def called(self, scores: NDArray) -> NDArray[np.bool_]:
        """Which examples are called positive."""
        return np.asarray(scores >= self.threshold)


@dataclass(frozen=True)
class Metric:
    """One metric of one kind of model.

    Attributes:
        name: As in params.yaml and metrics.json.
        title: As people write it.
        better: Which values are better; None where the best value lies inside the range.
        estimator: Makes the estimator from labels [N] (class ids, or numbers) and outputs (binary: score [N]; multiclass:
            probabilities [N, C]; regression: prediction [N]; scored, and ranking, of which N are groups: scores [N, S]).
        undefined: Why the value may be missing.
        min_classes: Of fewer classes, the metric says nothing and is left out.
    """

    name: str
    title: str
    better: Literal["higher", "lower"] | None
    estimator: Callable[[NDArray, NDArray], Estimator]
    undefined: str = "there are no examples"
    min_classes: int = 0

    def value(self, labels: NDArray, outputs: NDArray) -> float:
        """The metric of all examples, each counted once; NaN if it is undefined."""
        return float(self.estimator(labels, outputs)(np.ones((1, len(labels))))[0])

    @property
    def sign(self) -> int:
        """1 where a greater value is better, else -1: sign * (candidate - champion) is the improvement."""
        return -1 if self.better == "lower" else 1


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator > 0)


def _ratio(numerator: NDArray, denominator: NDArray) -> Estimator:
    """A sum over examples divided by another: precision, recall, F1, and any mean."""
    terms = np.stack([numerator, denominator], axis=1).astype(np.float64)

    def estimate(weights: Floats) -> Floats:
        sums = weights @ terms
        return _divide(sums[:, 0], sums[:, 1])

    return estimate


def _mean(values: NDArray) -> Estimator:
    return _ratio(values, np.ones(len(values)))


def _picked(weights: Floats, rows: NDArray[np.int64]) -> NDArray[np.uint16]:
    """Weights of some examples in another order, [resamples, rows]; as small numbers, which the processor's cache holds."""
    return weights.astype(np.uint16).take(rows, axis=1)


def _cumulated(weights: NDArray[np.uint16]) -> Floats:
    """Sums of the first 0, 1, 2, … columns: [resamples, columns + 1]."""
    sums = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights.astype(np.float64), axis=1, out=sums[:, 1:])
    return sums


def _auc(labels: NDArray, scores: NDArray) -> Estimator:
    """Area under the ROC curve, exactly: a tie between a positive and a negative counts one half.

    It is the share of the pairs of a positive and a negative that the scores put in their order (Mann & Whitney 1947). Of the
    smaller class the weights are cumulated by score; those of the other are added up between two of its scores.
    """
    order = np.argsort(scores, kind="stable")
    positive = (labels == 1)[order]
    sides = order[positive], order[~positive]
    few, many = sorted(sides, key=len)
    if not len(few):
        return lambda weights: np.full(len(weights), np.nan)
    places = np.stack([np.searchsorted(scores[few], scores[many], side) for side in ("left", "right")])
    starts = np.flatnonzero(np.insert((np.diff(places) != 0).any(axis=0), 0, True))
    below, not_above = places[:, starts]

    def estimate(weights: Floats) -> Floats:
        of_few, of_many = _picked(weights, few), _picked(weights, many)
        sums = _cumulated(of_few)
        others = np.add.reduceat(of_many, starts, axis=1, dtype=np.float64)
        beaten = np.sum((sums[:, below] + sums[:, not_above]) * others, axis=1) / 2
        pairs = sums[:, -1] * others.sum(axis=1)
        return _divide(beaten if many is sides[0] else pairs - beaten, pairs)

    return estimate


def _auc_pr(labels: NDArray, scores: NDArray) -> Estimator:
    """Area under the precision-recall curve, interpolated as Davis & Goadrich (2006) do, and Keras and TFMA after them.

    The area grows only where recall does, so only scores that a positive has are looked at.
    """
    order = np.argsort(-scores, kind="stable")
    positive = (labels == 1)[order]
    places = np.flatnonzero(positive)
    descending = -scores[order]
    of_positives = np.unique(descending[places])
    starts, ends = (np.searchsorted(descending, of_positives, side) for side in ("left", "right"))
    first, last = (np.searchsorted(places, each) for each in (starts, ends))

    def estimate(weights: Floats) -> Floats:
        sums, positives = (_cumulated(_picked(weights, rows)) for rows in (order, order[places]))
        before, predicted = sums[:, starts], sums[:, ends]
        above = positives[:, first]
        gained = positives[:, last] - above
        width = predicted - before
        slope = np.divide(gained, width, out=np.zeros_like(gained), where=width > 0)
        intercept = above - slope * before
        growth = np.log(np.divide(predicted, before, out=np.ones_like(before), where=before > 0))
        area = np.sum(slope * (gained + intercept * growth), axis=1)
        num_positives = positives[:, -1]
        return np.where(sums[:, -1] > num_positives, _divide(area, num_positives), np.nan)

    return estimate


def _log_loss(labels: NDArray, scores: NDArray) -> Estimator:
    clipped = np.clip(scores.astype(np.float64), _EPSILON, 1 - _EPSILON)
    return _mean(-np.log(np.where(labels == 1, clipped, 1 - clipped)))


def likelier(scores: NDArray) -> NDArray[np.bool_]:
    """Which examples are of the likelier class, with exactly 0.5 the first one, as for Keras and TFMA."""
    return np.asarray(scores > 0.5)


def _accuracy(called: Called) -> Callable[[NDArray, NDArray], Estimator]:
    return lambda labels, scores: _mean(called(scores) == (labels == 1))


def _cost(decision: Decision, called: Called) -> Callable[[NDArray, NDArray], Estimator]:
    def make(labels: NDArray, scores: NDArray) -> Estimator:
        label, predicted = labels == 1, called(scores)
        return _mean(decision.false_positive * (predicted & ~label) + decision.false_negative * (label & ~predicted))

    return make


def _confusion_ratio(numerator: str, denominator: str, called: Called = likelier) -> Callable[[NDArray, NDArray], Estimator]:
    """A ratio of sums over the examples' memberships, written with `label`, `predicted`, `both`, `sum` and `twice`."""

    def make(labels: NDArray, scores: NDArray) -> Estimator:
        label, predicted = labels == 1, called(scores)
        both = label & predicted
        terms = {
            "label": label * 1.0,
            "predicted": predicted * 1.0,
            "both": both * 1.0,
            "sum": label * 1.0 + predicted,
            "twice": both * 2.0,
        }
        return _ratio(terms[numerator], terms[denominator])

    return make


def _multiclass_log_loss(labels: NDArray, probabilities: NDArray) -> Estimator:
    of_label = np.take_along_axis(probabilities.astype(np.float64), labels[:, None], axis=1)[:, 0]
    return _mean(-np.log(np.clip(of_label, _EPSILON, 1 - _EPSILON)))


def _top_k(k: int) -> Callable[[NDArray, NDArray], Estimator]:
    """Share of the examples whose class is among the k likeliest; of equally likely classes the first counts as likelier, as
    in argmax, so that a model that can't tell classes apart gains nothing by it (`tf.math.in_top_k` takes all of them).
    """

    def make(labels: NDArray, probabilities: NDArray) -> Estimator:
        of_label = np.take_along_axis(probabilities, labels[:, None], axis=1)
        before = np.arange(probabilities.shape[1]) < labels[:, None]
        rank = ((probabilities > of_label) | ((probabilities == of_label) & before)).sum(axis=1)
        return _mean(rank < k)

    return make


def _macro_f1(labels: NDArray, probabilities: NDArray) -> Estimator:
    """Mean F1 over the classes that stand among labels or predictions, each class alike."""
    num_classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    correct = predicted == labels

    def estimate(weights: Floats) -> Floats:
        # One bincount a resample: a [examples, classes] matrix of ones would not fit when there are many classes.
        values = np.empty(len(weights))
        for row, weight in enumerate(weights):
            both = np.bincount(labels, weight * correct, num_classes)
            members = np.bincount(labels, weight, num_classes) + np.bincount(predicted, weight, num_classes)
            present = members > 0
            values[row] = np.mean(2 * both[present] / members[present]) if present.any() else np.nan
        return values

    return estimate


def _rmse(labels: NDArray, predictions: NDArray) -> Estimator:
    mean_square = _mean((predictions - labels) ** 2)
    return lambda weights: np.sqrt(mean_square(weights))


def _r2(labels: NDArray, predictions: NDArray) -> Estimator:
    """Coefficient of determination: 1 - squared error / squared distance of the labels from their mean."""
    centred = labels - labels.mean() if len(labels) else labels  # of large labels, the squares would cancel
    terms = np.stack([(predictions - labels) ** 2, centred, centred**2, np.ones(len(labels))], axis=1)

    def estimate(weights: Floats) -> Floats:
        error, label, square, count = (weights @ terms).T
        return 1 - _divide(error, square - label**2 / np.maximum(count, 1))

    return estimate


def _of_scores(score: int, over: int | None = None, *, root: bool = False) -> Callable[[NDArray, NDArray], Estimator]:
    """The mean of a column of the scores, divided by that of another if there is one; its square root if `root`."""

    def make(labels: NDArray, scores: NDArray) -> Estimator:
        divisor = np.ones(len(scores)) if over is None else scores[:, over]
        estimate = _ratio(scores[:, score], divisor)
        return (lambda weights: np.sqrt(estimate(weights))) if root else estimate

    return make


TOP_K = (3, 5)
"""`top_3_accuracy` is for 6 classes and more, `top_5_accuracy` for 10 and more."""

_NO_POSITIVE = "no example is of the second class"
_NO_PREDICTED = "no example is predicted as of the second class"

_RANKING_TITLES = {"ndcg": "NDCG", "mrr": "Mean reciprocal rank", "ndcg_1": "NDCG of the first place"}

_METRICS: dict[str, list[Metric]] = {
    "binary": [
        Metric("auc", "ROC AUC", "higher", _auc, "the examples are all of one class"),
        Metric("auc_pr", "PR AUC", "higher", _auc_pr, "the examples are all of one class"),
        Metric("accuracy", "Accuracy", "higher", _accuracy(likelier)),
        Metric("precision", "Precision", "higher", _confusion_ratio("both", "predicted"), _NO_PREDICTED),
        Metric("recall", "Recall", "higher", _confusion_ratio("both", "label"), _NO_POSITIVE),
        Metric("f1", "F1", "higher", _confusion_ratio("twice", "sum"), f"{_NO_POSITIVE}, nor predicted as such"),
        Metric("log_loss", "Log loss", "lower", _log_loss),
        Metric("brier", "Brier score", "lower", lambda labels, scores: _mean((scores - labels) ** 2)),
        Metric("calibration", "Mean score / mean label", None, lambda labels, scores: _ratio(scores, labels), _NO_POSITIVE),
    ],
    "multiclass": [
        Metric("accuracy", "Accuracy", "higher", lambda labels, outputs: _mean(outputs.argmax(axis=1) == labels)),
        *(
            # Half of the classes at most: top 3 of 4 is nearly everything.
            Metric(f"top_{k}_accuracy", f"Top-{k} accuracy", "higher", _top_k(k), min_classes=2 * k)
            for k in TOP_K
        ),
        Metric("macro_f1", "Macro F1", "higher", _macro_f1),
        Metric("log_loss", "Log loss", "lower", _multiclass_log_loss),
    ],
    "regression": [
        Metric("mae", "Mean absolute error", "lower", lambda labels, outputs: _mean(np.abs(outputs - labels))),
        Metric("rmse", "Root mean squared error", "lower", _rmse),
        Metric("r2", "R²", "higher", _r2, "the labels are all equal"),
        Metric("mean_error", "Mean error (prediction − label)", None, lambda labels, outputs: _mean(outputs - labels)),
    ],
    # Means over the groups.
    "ranking": [
        Metric(
            name,
            _RANKING_TITLES.get(name, f"NDCG of the first {name.removeprefix('ndcg_')} places"),
            "higher",
            _of_scores(place),
        )
        for place, name in enumerate(SCORES)
    ],
}

METRICS: dict[str, dict[str, Metric]] = {kind: {each.name: each for each in metrics} for kind, metrics in _METRICS.items()}
"""Kind of model → name → metric, in the order of the reports."""


def decision_metrics(decision: Decision) -> dict[str, Metric]:
    """Name → metric of a binary model: at the decision's threshold, where the name does not say otherwise.

    Those at 0.5 (accuracy, precision, recall, f1, which TFMA measures too) keep their plain names.
    """
    at, called = f"at the threshold {decision.threshold:.4g}", decision.called
    no_predicted = f"no example scores at least {decision.threshold:.4g}"
    ratios = {
        "precision": ("Precision", "both", "predicted", no_predicted),
        "recall": ("Recall", "both", "label", _NO_POSITIVE),
        "f1": ("F1", "twice", "sum", f"{_NO_POSITIVE}, nor called such"),
    }
    metrics = [
        Metric("cost", f"Cost an example {at}", "lower", _cost(decision, called)),
        Metric("cost_at_half", "Cost an example at 0.5", "lower", _cost(decision, likelier)),
        Metric("accuracy_at_threshold", f"Accuracy {at}", "higher", _accuracy(called)),
        *(
            Metric(f"{name}_at_threshold", f"{title} {at}", "higher", _confusion_ratio(above, below, called), undefined)
            for name, (title, above, below, undefined) in ratios.items()
        ),
    ]
    return {each.name: each for each in metrics}


def metrics_of(model: ModelInfo, decision: Decision | None = None) -> dict[str, Metric]:
    """Name → metric: those of the model's kind that its number of classes allows, or those that its recipe brought.

    Args:
        model: What is judged.
        decision: Of a binary model, if there is a threshold other than 0.5: brings the metrics at it.
    """
    if decision is not None:
        return {**metrics_of(model), **decision_metrics(decision)}
    if model.kind == "scored":
        places = {name: place for place, name in enumerate(model.scores)}
        return {
            each.name: Metric(
                each.name,
                each.title,
                each.better,
                _of_scores(places[each.score], None if each.over is None else places[each.over], root=each.root),
            )
            for each in model.metrics
        }
    return {name: each for name, each in METRICS[model.kind].items() if len(model.class_names) >= each.min_classes}
