"""The tables behind the pictures equal scikit-learn's and stay small."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn

from components.evaluate import curves
from components.evaluate.curves import make_tables
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import Predictions

GENERATOR = np.random.default_rng(3)
LABELS = (GENERATOR.random(3000) < 0.3).astype(np.int64)
SCORES = np.clip(GENERATOR.normal(0.35 + 0.3 * LABELS, 0.2), 0.001, 0.999)


def predictions(labels: np.ndarray, outputs: np.ndarray) -> Predictions:
    return Predictions(labels, outputs, pd.DataFrame(index=range(len(labels))))


def model(kind: str, names: list[str]) -> ModelInfo:
    return ModelInfo(kind=kind, key_metric="", class_names=names, label="", digest="")


def test_roc_has_the_area_of_scikit_learn_in_few_points():
    table = curves.roc(LABELS == 1, SCORES)
    assert len(table) <= curves.MAX_POINTS
    assert sklearn.auc(table["fpr"], table["tpr"]) == pytest.approx(sklearn.roc_auc_score(LABELS, SCORES), abs=1e-3)
    assert table.iloc[0][["fpr", "tpr"]].tolist() == [0, 0]
    assert table.iloc[-1][["fpr", "tpr"]].tolist() == [1, 1]


def test_roc_of_few_scores_is_that_of_scikit_learn():
    scores = SCORES.round(1)
    table = curves.roc(LABELS == 1, scores)
    fpr, tpr, thresholds = sklearn.roc_curve(LABELS, scores, drop_intermediate=True)
    assert table["fpr"].to_numpy() == pytest.approx(fpr)
    assert table["tpr"].to_numpy() == pytest.approx(tpr)
    assert table["threshold"].to_numpy()[1:] == pytest.approx(thresholds[1:])


def test_precision_and_recall_are_those_of_scikit_learn():
    scores = SCORES.round(1)
    table = curves.precision_recall(LABELS == 1, scores)[::-1]
    precision, recall, thresholds = sklearn.precision_recall_curve(LABELS, scores)
    assert table["precision"].to_numpy() == pytest.approx(precision[:-1])
    assert table["recall"].to_numpy() == pytest.approx(recall[:-1])
    assert table["threshold"].to_numpy() == pytest.approx(thresholds)


def test_tables_of_a_binary_model():
    tables = make_tables(model("binary", ["no", "yes"]), predictions(LABELS, SCORES), 7)
    assert set(tables) == {"roc", "pr", "calibration", "confusion", "classes"}
    counts = pd.crosstab(tables["confusion"]["actual"], tables["confusion"]["predicted"])
    assert counts.to_numpy().tolist() == sklearn.confusion_matrix(LABELS, SCORES > 0.5).tolist()
    assert tables["calibration"]["num_examples"].tolist() == [300] * 10
    assert (tables["calibration"]["fraction_positive"] * 300).sum() == pytest.approx(LABELS.sum())


def test_classes_of_a_binary_model_are_those_of_scikit_learn():
    table = make_tables(model("binary", ["no", "yes"]), predictions(LABELS, SCORES), 7)["classes"]
    expected = sklearn.precision_recall_fscore_support(LABELS, SCORES > 0.5)
    found = table[["precision", "recall", "f1", "num_examples"]].to_numpy().T
    assert found == pytest.approx(np.array(expected))
    assert table["auc"].to_numpy() == pytest.approx(sklearn.roc_auc_score(LABELS, SCORES))
    assert table["mistaken_for"].tolist() == ["yes", "no"]
    assert table["num_mistaken"].tolist() == [((LABELS == 0) & (SCORES > 0.5)).sum(), ((LABELS == 1) & (SCORES <= 0.5)).sum()]


def test_curves_of_one_class_are_empty():
    tables = make_tables(model("binary", ["no", "yes"]), predictions(np.zeros(3, np.int64), np.array([0.1, 0.2, 0.3])), 7)
    assert {name: len(table) for name, table in tables.items()} == {
        "roc": 0, "pr": 0, "calibration": 3, "confusion": 3, "classes": 2
    }  # fmt: skip


def test_classes_that_never_occur_and_that_are_never_predicted():
    probabilities = np.array([[0.8, 0.1, 0.1, 0.0], [0.7, 0.2, 0.1, 0.0], [0.1, 0.2, 0.7, 0.0]])
    tables = make_tables(model("multiclass", ["a", "b", "c", "d"]), predictions(np.array([0, 1, 2]), probabilities), 7)
    table = tables["classes"].astype(object).where(tables["classes"].notna(), None)
    assert table.to_dict("list") == {
        "class": ["a", "b", "c", "d"],
        "num_examples": [1, 1, 1, 0],
        "num_predicted": [2, 0, 1, 0],
        "precision": [0.5, None, 1.0, None],
        "recall": [1.0, 0.0, 1.0, None],
        "f1": [pytest.approx(2 / 3), 0.0, 1.0, None],
        "auc": [1.0, 0.75, 1.0, None],
        "mistaken_for": ["", "a", "", ""],
        "num_mistaken": [0, 1, 0, 0],
    }
    assert tables["roc"]["class"].unique().tolist() == ["a", "b", "c"]


def test_residuals_are_a_seeded_sample():
    numbers = GENERATOR.normal(size=5000)
    first = make_tables(model("regression", []), predictions(numbers, numbers + 1), 7)["residuals"]
    again = make_tables(model("regression", []), predictions(numbers, numbers + 1), 7)["residuals"]
    assert len(first) == curves.MAX_RESIDUALS
    assert first["residual"].to_numpy() == pytest.approx(-1)
    assert first.equals(again)
