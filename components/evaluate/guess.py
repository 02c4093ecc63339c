"""The first model's rule: better than the best constant answer, which needs no model at all.

Such baselines are those of scikit-learn's DummyClassifier and DummyRegressor, but that the constant is chosen on the test
split itself, by the key metric, so that no other constant would have done better there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.evaluate.checks import Check, Item, shown
from components.evaluate.measure import paired_interval
from components.evaluate.metrics import Metric
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import Predictions
from components.params.models import EvaluateParams


@dataclass(frozen=True)
class Guess:
    """The best constant answer against the model, on the same examples and the same resamples.

    Attributes:
        answer: What is answered, in words.
        value: Its key metric.
        difference: How much better the model is, in the key metric's units (negative: worse, whichever way is up).
        low, high: Bootstrap interval of the difference; None where undefined.
    """

    answer: str
    value: float
    difference: float
    low: float | None
    high: float | None


def best_guess(model: ModelInfo, metric: Metric, predictions: Predictions, params: EvaluateParams, seed: int) -> Guess | None:
    """The constant answer with the best key metric; None where there is none to think of, or the metric is undefined."""
    labels = predictions.labels
    ours = metric.value(labels, predictions.outputs)
    found = [(answer, outputs, metric.value(labels, outputs)) for answer, outputs in _constants(model, predictions)]
    found = [each for each in found if not math.isnan(each[2])]
    if not found or math.isnan(ours):
        return None
    answer, outputs, value = max(found, key=lambda each: metric.sign * each[2])
    low, high = paired_interval(metric, labels, (predictions.outputs, outputs), params, seed) or (None, None)
    return Guess(answer, value, metric.sign * (ours - value), low, high)


def check_guessing(
    guess: Guess | None, value: float | None, metric: Metric, model: ModelInfo, params: EvaluateParams, *, incumbent: bool
) -> Check:
    """Whether a model without incumbent is better than guessing.

    Args:
        guess: The best constant answer.
        value: The model's key metric; None where undefined.
        metric: The key metric.
        model: What is judged.
        params: The section `evaluate`.
        incumbent: Whether there is a champion, which then is what the model must beat.
    """
    if incumbent:
        return Check("guessing", passed=True, reason="there is a champion to beat instead", judged=False)
    if value is None:
        reason = f"{metric.name} is undefined on the test split: {metric.undefined}, so the model can't be judged"
        return Check("guessing", passed=False, reason=reason, items=[Item(metric.name, passed=False, note=metric.undefined)])
    if guess is None:
        reason = f"a {model.kind} model has no constant answer to be better than"
        return Check("guessing", passed=True, reason=reason, judged=False)
    passed = guess.low is not None and guess.low > 0
    bounds = "no interval"
    if guess.low is not None and guess.high is not None:
        bounds = f"{params.confidence * 100:g}% interval {shown(guess.low, 0, '+')} to {shown(guess.high, 0, '+')}"
    reason = (
        f"{metric.name} {value:.4f} is {'' if passed else 'not certainly '}better than guessing, {guess.value:.4f} "
        f"({guess.answer}), by {shown(guess.difference, 0, '+')} ({bounds})"
    )
    item = Item(
        f"{metric.name}, improvement on guessing", guess.difference, guess.low, guess.high, 0.0, None, passed, guess.answer
    )
    return Check("guessing", passed, reason, items=[item])


def _constants(model: ModelInfo, predictions: Predictions) -> list[tuple[str, NDArray]]:
    """Constant answers that may be the best by one metric or another: (in words, outputs as those of the model)."""
    labels, count = predictions.labels, len(predictions.labels)
    if model.kind == "ranking":
        ranking = predictions.ranking
        assert ranking is not None  # noqa: S101  a ranking's predictions have one
        return [("equal scores for all", ranking.measured(np.zeros(len(ranking.scores))))]
    if model.kind == "regression":
        mean, median = float(np.mean(labels)), float(np.median(labels))
        return [
            (f"the {name} {value:.4g} for all", np.full(count, value)) for name, value in (("mean", mean), ("median", median))
        ]
    if model.kind == "scored":
        return []
    shares = np.bincount(labels, minlength=len(model.class_names)) / count
    likeliest = model.class_names[int(shares.argmax())]
    frequencies = f"the classes' frequencies for all, '{likeliest}' first"
    if model.kind == "multiclass":
        return [(frequencies, np.tile(shares, (count, 1)))]
    # A score of 1 has the best recall and F1 there is for nothing.
    return [(frequencies, np.full(count, shares[1])), (f"'{model.class_names[1]}' for all", np.ones(count))]
