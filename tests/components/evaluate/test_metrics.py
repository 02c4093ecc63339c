"""Every metric equals scikit-learn's; weights mean repetition; what is undefined is NaN."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn

from components.evaluate.metrics import METRICS, metrics_of
from components.evaluate.model_info import ModelInfo
from components.evaluate.ranking import measure_groups

GENERATOR = np.random.default_rng(3)
LABELS = (GENERATOR.random(400) < 0.3).astype(np.int64)
# Rounded, so that scores tie within and between the classes.
SCORES = np.clip(GENERATOR.normal(0.35 + 0.3 * LABELS, 0.2), 0, 1).round(2)
CLASSES = GENERATOR.integers(0, 4, 300)
PROBABILITIES = GENERATOR.dirichlet(np.ones(5), 300) * 0.6 + 0.4 * np.eye(5)[CLASSES]  # class 4 never occurs
NUMBERS = GENERATOR.normal(1e4, 3.0, 200)
PREDICTED = NUMBERS + GENERATOR.normal(0.5, 2.0, 200)
QUERIES = [(GENERATOR.permutation(12) % 4, GENERATOR.permutation(12) / 7) for _ in range(40)]
"""Relevances and scores of groups; no two scores of a group are alike."""

PREDICTED_CLASS = SCORES > 0.5
EXPECTED = {
    ("binary", "auc"): sklearn.roc_auc_score(LABELS, SCORES),
    ("binary", "accuracy"): sklearn.accuracy_score(LABELS, PREDICTED_CLASS),
    ("binary", "precision"): sklearn.precision_score(LABELS, PREDICTED_CLASS),
    ("binary", "recall"): sklearn.recall_score(LABELS, PREDICTED_CLASS),
    ("binary", "f1"): sklearn.f1_score(LABELS, PREDICTED_CLASS),
    ("binary", "log_loss"): sklearn.log_loss(LABELS, np.clip(SCORES, 1e-7, 1 - 1e-7)),
    ("binary", "brier"): sklearn.brier_score_loss(LABELS, SCORES),
    ("binary", "calibration"): SCORES.mean() / LABELS.mean(),
    ("multiclass", "accuracy"): sklearn.accuracy_score(CLASSES, PROBABILITIES.argmax(axis=1)),
    **{
        ("multiclass", f"top_{k}_accuracy"): sklearn.top_k_accuracy_score(CLASSES, PROBABILITIES, k=k, labels=range(5))
        for k in (3, 5)
    },
    ("multiclass", "macro_f1"): sklearn.f1_score(CLASSES, PROBABILITIES.argmax(axis=1), average="macro"),
    ("multiclass", "log_loss"): sklearn.log_loss(CLASSES, PROBABILITIES, labels=range(5)),
    ("regression", "mae"): sklearn.mean_absolute_error(NUMBERS, PREDICTED),
    ("regression", "rmse"): math.sqrt(sklearn.mean_squared_error(NUMBERS, PREDICTED)),
    ("regression", "r2"): sklearn.r2_score(NUMBERS, PREDICTED),
    ("regression", "mean_error"): (PREDICTED - NUMBERS).mean(),
    **{
        ("ranking", name): np.mean([sklearn.ndcg_score([2**labels - 1], [scores], k=k) for labels, scores in QUERIES])
        for name, k in [("ndcg_1", 1), ("ndcg_3", 3), ("ndcg_5", 5), ("ndcg_10", 10), ("ndcg", None)]
    },
    ("ranking", "mrr"): np.mean([1 / (1 + np.sum(scores > scores[labels == 3].max())) for labels, scores in QUERIES]),
}
OF_QUERIES = measure_groups(*np.array(QUERIES).transpose(1, 0, 2).reshape(2, -1), np.repeat(np.arange(len(QUERIES)), 12))
DATA = {
    "binary": (LABELS, SCORES),
    "multiclass": (CLASSES, PROBABILITIES),
    "regression": (NUMBERS, PREDICTED),
    "ranking": (np.full(len(QUERIES), np.nan), OF_QUERIES),
}
TOP = ["top_3_accuracy", "top_5_accuracy"]
ALL = [(kind, name) for kind, metrics in METRICS.items() for name in metrics]


@pytest.mark.parametrize(("kind", "name"), EXPECTED)
def test_value_is_that_of_scikit_learn(kind, name):
    assert METRICS[kind][name].value(*DATA[kind]) == pytest.approx(EXPECTED[kind, name], abs=1e-10)


def test_area_under_precision_and_recall_lies_between_the_steps_and_the_chords_of_scikit_learn():
    # Average precision takes steps, the trapezoid rule chords, which are known to be too optimistic.
    precision, recall, _ = sklearn.precision_recall_curve(LABELS, SCORES)
    value = METRICS["binary"]["auc_pr"].value(LABELS, SCORES)
    assert value == pytest.approx(sklearn.average_precision_score(LABELS, SCORES), abs=5e-3)
    assert value == pytest.approx(sklearn.auc(recall, precision), abs=5e-3)


def test_only_the_area_under_precision_and_recall_is_not_compared_exactly():
    assert set(ALL) - set(EXPECTED) == {("binary", "auc_pr")}


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_weight_counts_an_example_that_often(kind, name):
    labels, outputs = DATA[kind]
    weights = np.random.default_rng(1).integers(0, 4, (3, len(labels)))
    estimated = METRICS[kind][name].estimator(labels, outputs)(weights.astype(np.float64))
    repeated = [METRICS[kind][name].value(np.repeat(labels, row), np.repeat(outputs, row, axis=0)) for row in weights]
    assert estimated == pytest.approx(repeated, rel=1e-9)


@pytest.mark.parametrize(
    ("kind", "labels", "outputs", "undefined"),
    [
        ("binary", [0, 0, 0], [0.1, 0.7, 0.2], {"auc", "auc_pr", "recall", "calibration"}),
        ("binary", [1, 1], [0.1, 0.7], {"auc", "auc_pr"}),
        ("binary", [0, 1], [0.1, 0.2], {"precision"}),
        ("binary", [0], [0.1], {"auc", "auc_pr", "precision", "recall", "f1", "calibration"}),
        ("multiclass", [2], [[0.1, 0.8, 0.1]], set()),
        ("regression", [3.0, 3.0], [2.0, 4.0], {"r2"}),
        ("regression", [3.0], [2.0], {"r2"}),
    ],
)
def test_what_cannot_be_told_is_nan(kind, labels, outputs, undefined):
    values = {name: metric.value(np.array(labels), np.array(outputs)) for name, metric in METRICS[kind].items()}
    assert {name for name, value in values.items() if math.isnan(value)} == undefined


def test_two_examples():
    values = {name: metric.value(np.array([0, 1]), np.array([0.25, 0.75])) for name, metric in METRICS["binary"].items()}
    assert values == pytest.approx(
        {
            "auc": 1.0,
            "auc_pr": 1.0,
            "accuracy": 1.0,
            "precision": 1.0,
            "recall": 1.0,
            "f1": 1.0,
            "log_loss": -math.log(0.75),
            "brier": 0.0625,
            "calibration": 1.0,
        }
    )


def test_a_wrong_certainty_is_not_an_infinite_loss():
    assert METRICS["binary"]["log_loss"].value(np.array([1]), np.array([0.0])) == pytest.approx(-math.log(1e-7))


def test_a_class_that_is_never_predicted_lowers_macro_f1():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
    assert METRICS["multiclass"]["macro_f1"].value(np.array([0, 0, 1]), probabilities) == pytest.approx(0.8 / 2)


def test_of_equally_likely_classes_the_first_are_at_the_top():
    # As in argmax: a model that answers the same for every example is right as often as it would be by chance.
    labels, outputs = np.arange(12), np.full((12, 12), 1 / 12)
    values = {name: METRICS["multiclass"][name].value(labels, outputs) for name in ("accuracy", *TOP)}
    assert values == pytest.approx({"accuracy": 1 / 12, "top_3_accuracy": 3 / 12, "top_5_accuracy": 5 / 12})


@pytest.mark.parametrize(("num_classes", "top"), [(3, []), (5, []), (6, TOP[:1]), (9, TOP[:1]), (10, TOP)])
def test_at_most_half_of_the_classes_are_the_top(num_classes, top):
    names = [str(each) for each in range(num_classes)]
    model = ModelInfo(kind="multiclass", key_metric="accuracy", class_names=names, label="", digest="")
    assert list(metrics_of(model)) == ["accuracy", *top, "macro_f1", "log_loss"]
