"""The best constant answer, against what scikit-learn's dummies say, and the first model's rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error

from components.evaluate.guess import Guess, best_guess, check_guessing
from components.evaluate.metrics import metrics_of
from components.evaluate.model_info import ModelInfo, ScoreMetric
from components.evaluate.predictions import Predictions
from components.evaluate.ranking import make_ranking
from components.params.models import EvaluateParams

PARAMS = EvaluateParams(num_resamples=200)
RANDOM = np.random.default_rng(3)
NOTHING = np.zeros((120, 1))


def info(kind: str, names: list[str] | None = None) -> ModelInfo:
    return ModelInfo(kind=kind, key_metric="", class_names=names or [], label="y", digest="d")


def guess(model: ModelInfo, metric: str, predictions: Predictions) -> Guess | None:
    return best_guess(model, metrics_of(model)[metric], predictions, PARAMS, seed=1)


def predicted(labels: np.ndarray, outputs: np.ndarray) -> Predictions:
    return Predictions(labels, outputs, pd.DataFrame(index=range(len(labels))))


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_of_a_number_it_is_the_median_or_the_mean(metric):
    labels = RANDOM.lognormal(size=120)
    found = guess(info("regression"), metric, predicted(labels, labels + 0.1))
    strategy = "median" if metric == "mae" else "mean"
    dummy = DummyRegressor(strategy=strategy).fit(NOTHING, labels).predict(NOTHING)
    error = mean_absolute_error(labels, dummy) if metric == "mae" else mean_squared_error(labels, dummy) ** 0.5
    assert found.value == pytest.approx(error)
    assert found.answer == f"the {strategy} {dummy[0]:.4g} for all"
    assert found.difference == pytest.approx(error - 0.1)
    assert 0 < found.low < found.difference < found.high


def test_of_classes_it_is_their_frequencies():
    labels = RANDOM.choice(3, size=120, p=[0.2, 0.5, 0.3])
    right = np.eye(3)[labels]
    model = info("multiclass", ["a", "b", "c"])
    dummy = DummyClassifier(strategy="prior").fit(NOTHING, labels)
    found = guess(model, "accuracy", predicted(labels, right))
    assert (found.value, found.answer) == (dummy.score(NOTHING, labels), "the classes' frequencies for all, 'b' first")
    found = guess(model, "log_loss", predicted(labels, right))
    assert found.value == pytest.approx(log_loss(labels, dummy.predict_proba(NOTHING)))


@pytest.mark.parametrize(
    ("metric", "value", "answer"),
    [
        ("auc", 0.5, "the classes' frequencies for all, 'no' first"),
        ("accuracy", 0.75, "the classes' frequencies for all, 'no' first"),
        ("auc_pr", 0.25, "the classes' frequencies for all, 'no' first"),
        ("brier", 0.25 * 0.75, "the classes' frequencies for all, 'no' first"),
        ("f1", 2 * 0.25 / 1.25, "'yes' for all"),
        ("recall", 1.0, "'yes' for all"),
    ],
)
def test_of_two_classes_by_each_metric(metric, value, answer):
    labels = np.arange(120) % 4 // 3
    found = guess(info("binary", ["no", "yes"]), metric, predicted(labels, 0.1 + 0.8 * labels))
    assert (found.value, found.answer) == (pytest.approx(value), answer)


def test_of_a_ranking_it_is_no_order_at_all():
    groups = pd.DataFrame({"query": np.repeat(np.arange(30), 4)})
    relevances = np.tile([0.0, 0.0, 1.0, 2.0], 30)
    ranking = make_ranking("query", relevances, relevances, groups)
    predictions = Predictions(np.full(30, np.nan), ranking.measured(relevances), groups[:30], ranking)
    found = guess(info("ranking"), "ndcg_1", predictions)
    # The gains are 0, 0, 1 and 3, and each of them comes first as often.
    assert (found.value, found.answer) == (pytest.approx(1 / 3), "equal scores for all")
    assert (found.difference, found.low, found.high) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


def test_who_scores_itself_has_no_guess_and_neither_has_the_undefined():
    metrics = [ScoreMetric(name="rmse", title="Error", score="square", better="lower", over=None, root=True)]
    scored = info("scored").model_copy(update={"metrics": metrics})
    assert guess(scored, "rmse", predicted(np.full(5, np.nan), np.ones((5, 1)))) is None
    one_class = predicted(np.zeros(5, np.int64), np.full(5, 0.1))
    assert guess(info("binary", ["no", "yes"]), "auc", one_class) is None


def test_the_first_model_must_be_better_than_guessing():
    model = info("binary", ["no", "yes"])
    metric = metrics_of(model)["auc"]

    def check(found: Guess | None, value: float | None = 0.61, *, incumbent: bool = False, kind: str = "binary"):
        of = model.model_copy(update={"kind": kind})
        result = check_guessing(found, value, metric, of, EvaluateParams(confidence=0.9), incumbent=incumbent)
        return result.passed, result.judged, result.reason

    assert check(Guess("x", 0.5, 0.11, 0.00001, 0.2)) == (
        True,
        True,
        "auc 0.6100 is better than guessing, 0.5000 (x), by +0.1100 (90% interval +0.00001 to +0.2000)",
    )
    assert check(Guess("x", 0.5, 0.11, -0.01, 0.2)) == (
        False,
        True,
        "auc 0.6100 is not certainly better than guessing, 0.5000 (x), by +0.1100 (90% interval -0.0100 to +0.2000)",
    )
    assert check(Guess("x", 0.5, 0.11, None, None))[0] is False
    assert check(None, None) == (
        False,
        True,
        "auc is undefined on the test split: the examples are all of one class, so the model can't be judged",
    )
    assert check(None, incumbent=True) == (True, False, "there is a champion to beat instead")
    assert check(None, kind="scored") == (True, False, "a scored model has no constant answer to be better than")
