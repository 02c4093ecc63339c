"""Importances and contributions are what they say, and the linear model stands beside the forest."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipes.forest.baseline import compare, fit_linear
from recipes.forest.importance import contributions, permutation, structure
from recipes.forest.measures import auc, average_precision, measures
from recipes.forest.table import Table, read_table

LABELS = ("creditability", "species", "mpg")
NAMES = {"creditability": ["bad", "good"], "species": ["Adelie", "Chinstrap", "Gentoo"], "mpg": []}


def raw_answers(case: Any, label: str) -> np.ndarray:
    """The model's answers on eval before sigmoid or softmax; of a softmax, whatever shift is its own."""
    answers = np.concatenate([case.model(features).numpy() for features, _ in case.evaluation]).astype(np.float64)
    if label == "mpg":
        return answers
    return np.log(answers) if label == "species" else np.log(answers / (1.0 - answers))


@pytest.mark.parametrize("label", LABELS)
def test_contributions_and_bias_add_up_to_the_answer(label: str, fitted: Any) -> None:
    case = fitted(label)
    table = read_table(case.evaluation, case.recipe._columns)
    found = contributions(case.model.forest.trees, table, NAMES[label])
    assert found.features == list(table.columns)
    sums = found.values.sum(axis=1) + found.bias
    expected = raw_answers(case, label)
    if label == "species":  # a softmax doesn't change when all of them are shifted
        sums, expected = sums - sums.mean(axis=1, keepdims=True), expected - expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(sums, expected, rtol=1e-3, atol=5e-3)


def test_what_is_not_split_on_has_no_importance(forest: Any) -> None:
    recipe = forest.make_recipe("mpg", max_depth=2)  # one split: the best feature alone
    case = forest.fit("mpg", recipe, epochs=1)
    table = read_table(case.evaluation, recipe._columns)
    model = case.model.forest.trees
    found = contributions(model, table, [])
    (used,) = np.flatnonzero(structure(model, found.features)["num_nodes"])
    loss, spread = permutation(model, table, [], seed=0)
    for values in (structure(model, found.features)["gain"], loss, spread, found.mean_absolute()):
        assert set(np.flatnonzero(values)) == {used}
    assert loss[used] > 0.0


@pytest.mark.parametrize("label", LABELS)
def test_what_is_written(label: str, fitted: Any, tmp_path: Path) -> None:
    case = fitted(label)
    case.recipe.describe(case.model, tmp_path, case.evaluation)
    pictures = {
        "creditability": {"likeliest", "unlikeliest", "most_sure", "least_sure", "most_wrong"},
        "species": {"most_sure", "least_sure", "most_wrong"},
        "mpg": {"greatest", "middle", "least", "most_wrong"},
    }[label]
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} == {
        "told.txt",
        "linear.csv",
        "importance.csv",
        "importance.png",
        "shap.csv",
        "shap_summary.png",
        "forest.txt",
        *(f"contributions/{name}.png" for name in pictures),
    }
    metric = {"creditability": "auc", "species": "accuracy", "mpg": "mae"}[label]
    number = r"[+-]?\d+\.\d{4}"
    interval = rf"\[{number}, {number}\]"
    assert re.fullmatch(
        rf"{metric} on eval \(\d+ examples\): forest {number} {interval}, linear model {number} {interval}; the forest is "
        rf"(better|worse|neither better nor worse than chance makes it): {number} {interval}\n",
        (tmp_path / "told.txt").read_text(),
    )
    with (tmp_path / "importance.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["feature"] for row in rows} == set(case.recipe.inputs)
    assert list(rows[0]) == ["feature", "gain", "num_nodes", "permutation", "permutation_deviation", "mean_abs_shap"]
    with (tmp_path / "shap.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == sum(len(label) for _, label in case.evaluation)
    # Nothing is fetched from elsewhere, and the forest is the one that answers.
    assert f"Number of trees: {case.model.forest.trees.num_trees()}" in (tmp_path / "forest.txt").read_text()
    assert "http" not in "".join(path.read_text() for path in tmp_path.glob("*.txt"))


def test_the_areas_are_scikit_learns() -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    random = np.random.default_rng(0)
    labels = random.integers(2, size=300)
    for scores in (random.random(300), np.round(random.random(300), 1)):  # the second has ties
        assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
        assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores))
    assert np.isnan([auc(np.ones(3), np.arange(3.0)), average_precision(np.zeros(3), np.arange(3.0))]).all()


def test_weights_are_in_the_loss_alone() -> None:
    labels, answers = np.array([0, 1]), np.array([[0.5, 0.5], [0.25, 0.75]])
    plain = measures(labels, answers, ["a", "b"])
    weighted = measures(labels, answers, ["a", "b"], np.array([4.0, 1.0]))
    assert plain["loss"] == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    assert weighted == {**plain, "loss": pytest.approx((4 * np.log(2) + np.log(4 / 3)) / 2)}


def test_the_linear_model_learns_lines_and_survives_gaps() -> None:
    random = np.random.default_rng(0)
    number, name = random.normal(size=600).astype(np.float32), np.array([b"a", b"b", b""])[random.integers(3, size=600)]
    score = 2.0 * number + (name == b"b")
    columns = {"number": number, "name": name, "constant": np.ones(600, np.float32), "gone": np.full(600, np.nan, np.float32)}
    table = Table(columns, score.astype(np.float32))
    regression = fit_linear(table, [], None)
    np.testing.assert_allclose(regression(table)[:, 0], score, atol=0.05)
    odd = Table({name: values[:2] for name, values in columns.items()} | {"name": np.array([b"new", b"a"])}, score[:2])
    assert np.isfinite(regression(odd)).all()
    logistic = fit_linear(Table(columns, (score > 0).astype(np.int64)), ["no", "yes"], None)(table)
    np.testing.assert_allclose(logistic.sum(axis=1), 1.0)
    assert auc((score > 0).astype(int), logistic[:, 1]) > 0.99


def test_a_comparison_says_who_is_better() -> None:
    labels = np.arange(200, dtype=np.float32)
    near, far = labels[:, np.newaxis] + 1.0, labels[:, np.newaxis] + 3.0
    better, worse, alike = (
        compare(labels, forest, linear, [], 0) for forest, linear in ((near, far), (far, near), (near, near))
    )
    assert (better.forest, better.linear, better.gain) == ((1.0, 1.0, 1.0), (3.0, 3.0, 3.0), (2.0, 2.0, 2.0))
    assert str(better) == (
        "mae on eval (200 examples): forest 1.0000 [1.0000, 1.0000], linear model 3.0000 [3.0000, 3.0000]; the forest is "
        "better: +2.0000 [+2.0000, +2.0000]"
    )
    assert "the forest is worse: -2.0000" in str(worse)
    assert "the forest is neither better nor worse than chance makes it: +0.0000" in str(alike)
