"""Trees that order cars within a model year, the thriftiest first."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from recipes.contract import RecipeError
from recipes.forest.ranking import Groups
from recipes.label import relevances

RANKING = {"task": "ranking", "group": "model_year"}


def make_ranker(forest: Any, transform: dict[str, Any] | None = None, **model: Any) -> Any:
    """Ranks by tens of miles per gallon: a relevance is at most 31, and some cars go farther than that on a gallon."""
    recipe = forest.make_recipe("mpg", transform=transform or {"ignore": ["car_name"]}, **{**RANKING, **model})
    label = recipe._label
    recipe._label = lambda raw: label(raw / 10.0)
    return recipe


@pytest.fixture(scope="module")
def ranked(forest: Any) -> Any:
    """Fitted for 20 steps."""
    return forest.fit("mpg", make_ranker(forest))


def read_all(dataset: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    batches = list(dataset.as_numpy_iterator())
    features = {name: np.concatenate([each[name] for each, _ in batches]) for name in batches[0][0]}
    return features, np.concatenate([label for _, label in batches])[:, 0]


def test_what_it_tells(forest: Any) -> None:
    recipe = make_ranker(forest, ndcg_truncation=3)
    assert (recipe.kind, recipe.key_metric, recipe.group, recipe.class_names) == ("ranking", "ndcg_3", "model_year", [])
    assert (recipe.objective, recipe.objective_direction) == ("val_ndcg_3", "max")
    assert list(recipe.inputs) == ["cylinders", "displacement", "horsepower", "weight", "acceleration", "origin"]
    assert forest.make_recipe("mpg").group is None


def test_the_group_is_there_to_fit_and_not_to_serve(forest: Any) -> None:
    recipe = make_ranker(forest)
    features, _ = forest.features_of("mpg", recipe)
    assert set(features) == {*recipe.inputs, "ranking_group"}
    raw = {name: tf.constant([[1.0]]) for name in recipe.inputs}
    assert set(recipe.preprocessing_fn(raw)) == set(recipe.inputs)
    recipe.set_features(dict.fromkeys(features), None)
    assert set(recipe.feature_spec) == set(recipe.inputs)
    assert set(recipe.build(keras_tuner.HyperParameters()).input) == set(recipe.inputs)


def test_the_curves_are_those_of_scikit_learn(ranked: Any) -> None:
    from sklearn.metrics import ndcg_score

    history = ranked.history.history
    assert set(history) == {"loss", "ndcg_5", "val_loss", "val_ndcg_5"}
    np.testing.assert_allclose(history["val_loss"], 1.0 - np.array(history["val_ndcg_5"]))
    assert history["ndcg_5"][-1] > history["ndcg_5"][0]
    features, labels = read_all(ranked.evaluation)
    years = features.pop("ranking_group")[:, 0]
    scores = ranked.recipe.outputs(ranked.model({name: tf.constant(each) for name, each in features.items()}))["prediction"]
    assert (scores.dtype, scores.shape) == (tf.float32, (len(labels), 1))
    parts = [years == year for year in np.unique(years)]
    expected = np.mean([ndcg_score([np.exp2(labels[each]) - 1], [scores.numpy()[each, 0]], k=5) for each in parts])
    assert history["val_ndcg_5"][-1] == pytest.approx(expected, rel=1e-6)
    assert expected > 0.9  # at random: 0.66


def test_equal_scores_share_their_places() -> None:
    from sklearn.metrics import ndcg_score

    random = np.random.default_rng(0)
    labels, scores, ids = random.integers(0, 4, 300), random.integers(0, 5, 300), random.integers(0, 20, 300)
    found = Groups(ids, 3).ndcg(labels, scores)
    expected = [ndcg_score([np.exp2(labels[ids == each]) - 1], [scores[ids == each]], k=3) for each in range(20)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_groups_without_an_order_and_samples() -> None:
    groups = Groups(np.array([0, 1, 1, 2, 2]), 5)
    np.testing.assert_array_equal(groups.ndcg(np.array([3, 2, 2, 0, 1]), np.arange(5.0)), [np.nan, np.nan, 1.0])
    ids = np.repeat(np.arange(10), np.arange(1, 11))
    taken = Groups(ids, 5).sample(30, seed=3)
    assert 0 < len(taken) <= 30
    kept = np.unique(ids[taken])
    assert len(taken) == sum(kept + 1)  # whole groups
    np.testing.assert_array_equal(np.unique(Groups(ids, 5).take(taken).ids), np.arange(len(kept)))
    assert len(np.unique(ids[Groups(ids, 5).sample(0, seed=3)])) == 1


def test_the_same_seed_gives_the_same_bytes(forest: Any, tmp_path: Path) -> None:
    def grown(name: str, **model: Any) -> dict[str, bytes]:
        forest.fit("mpg", make_ranker(forest, **model), epochs=5).model.forest.save_assets(str(tmp_path / name))
        return {path.name: path.read_bytes() for path in sorted((tmp_path / name).iterdir())}

    first = grown("first", subsample=0.7)
    assert grown("again", subsample=0.7) == first
    assert grown("truncated", subsample=0.7, ndcg_truncation=1) != first


def test_what_there_is_to_see(ranked: Any, tmp_path: Path) -> None:
    ranked.recipe.describe(ranked.model, tmp_path, ranked.evaluation)
    told = (tmp_path / "told.txt").read_text()
    value = ranked.history.history["val_ndcg_5"][-1]
    assert told.startswith(f"ndcg_5 on eval (13 groups): forest {value:.4f} [")
    with (tmp_path / "importance.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["feature"] for row in rows} == set(ranked.recipe.inputs)
    assert (rows[0]["feature"], float(rows[0]["permutation"]) > 0.05) == ("weight", True)
    assert {path.name for path in (tmp_path / "contributions").iterdir()} == {"greatest.png", "middle.png", "least.png"}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"group": None},
            "model.group: a ranking orders examples among those of their group, and nothing says which these are. Expected "
            "the name of a column, such as that of a query, which the examples of a group share. Known: cylinders, "
            "displacement, horsepower, weight, acceleration, model_year, origin, car_name.",
        ),
        (
            {"group": "model_yaer"},
            "model.group: the schema has no column 'model_yaer'. Did you mean 'model_year'? Known: cylinders, displacement, "
            "horsepower, weight, acceleration, model_year, origin, car_name.",
        ),
        ({"group": "mpg"}, "model.group: 'mpg' is the label. Expected the column whose value the examples of a group share."),
        (
            {"group": "weight"},
            "model.group: column 'weight' has the type FLOAT. Expected INT or BYTES. Cast the column (data.cast), or name "
            "another one.",
        ),
        (
            {"task": None},
            "model.group: only a ranking compares examples of the same 'model_year', and this is a regression. Remove the "
            "key, or set model.task: ranking.",
        ),
    ],
)
def test_mistakes(model: dict[str, Any], message: str, forest: Any) -> None:
    with pytest.raises(RecipeError) as wrong:
        forest.make_recipe("mpg", **{**RANKING, **model})
    assert str(wrong.value) == message


def test_a_label_that_is_no_relevance(forest: Any) -> None:
    with pytest.raises(RecipeError) as text:
        forest.make_recipe("species", task="ranking", group="island")
    assert str(text.value) == (
        "data.label: the label 'species' has the type BYTES. A ranking needs the relevance as FLOAT or INT. Cast the column "
        "(data.cast), or set model.task: classification."
    )
    np.testing.assert_array_equal(relevances(tf.constant([[0.0], [2.5], [31.0]])), [[0.0], [2.5], [31.0]])
    for wrong in (-1.0, 32.0, float("nan")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"is no relevance: no number from 0 to 31"):
            relevances(tf.constant([[1.0], [wrong]]))


def test_groups_that_teach_nothing(forest: Any) -> None:
    recipe = make_ranker(forest)
    features, labels = forest.features_of("mpg", recipe)

    def fit(groups: np.ndarray) -> None:
        dataset = tf.data.Dataset.from_tensor_slices(({**features, "ranking_group": groups[:, np.newaxis]}, labels))
        hp = keras_tuner.HyperParameters()
        recipe.fit(hp, recipe.build(hp), dataset.batch(100), epochs=1)

    with pytest.raises(RecipeError) as alone:
        fit(np.arange(392).astype(str).astype(object))
    assert str(alone.value) == (
        "model.group: in none of the 392 groups of the 392 training examples does 'mpg' differ, so there is no order to "
        "learn. Expected groups of several examples: name another column, or keep groups whole (data.split.key: [model_year])."
    )
    with pytest.raises(RecipeError) as missing:
        fit(np.array(["a", ""] * 196, object))
    assert str(missing.value) == (
        "model.group: 196 of 392 training examples have no 'model_year'. Expected one in each: fill or drop them (data), or "
        "name another column."
    )
