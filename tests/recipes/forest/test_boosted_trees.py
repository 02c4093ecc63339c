"""The recipe: every kind of label, callbacks that decide, the same bytes for the same seed, mistakes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from recipes import RECIPES
from recipes.contract import RecipeError
from recipes.forest import RECIPE_CLASSES
from recipes.forest.layer import ForestLayer

LABELS = ("creditability", "species", "mpg")


def files_of(model: Any, folder: Path) -> dict[str, bytes]:
    """The forest, byte by byte."""
    model.forest.save_assets(str(folder))
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_recipes_are_listed() -> None:
    assert set(RECIPE_CLASSES) == {name for name, package in RECIPES.items() if package == "recipes.forest"}


def test_what_a_recipe_tells(forest: Any) -> None:
    told = {
        label: (recipe.kind, recipe.key_metric, recipe.class_names, recipe.objective, recipe.libraries)
        for label in LABELS
        for recipe in [forest.make_recipe(label)]
    }
    assert told == {
        "creditability": ("binary", "auc", ["bad", "good"], "val_auc", ["ydf_tf"]),
        "species": ("multiclass", "accuracy", ["Adelie", "Chinstrap", "Gentoo"], "val_loss", ["ydf_tf"]),
        "mpg": ("regression", "mae", [], "val_mae", ["ydf_tf"]),
    }


def test_a_label_of_classes_may_be_a_number(forest: Any) -> None:
    schema = forest.make_recipe("mpg").task.schema
    assert next(each for each in schema.feature if each.name == "mpg").WhichOneof("domain_info") != "int_domain"
    assert forest.make_recipe("mpg", task="regression").kind == "regression"
    with pytest.raises(RecipeError) as words:
        forest.make_recipe("creditability", task="regression")
    assert str(words.value) == (
        "data.label: the label 'creditability' has the type BYTES. A regression needs FLOAT or INT. Cast the column "
        "(data.cast), or set model.task: classification."
    )


@pytest.mark.parametrize(
    ("label", "metrics", "better"),
    [
        ("creditability", {"auc", "aucpr", "accuracy"}, ("val_auc", 0.7)),
        ("species", {"accuracy"}, ("val_accuracy", 0.9)),
        ("mpg", {"mae", "rmse"}, ("val_mae", -3.0)),
    ],
)
def test_curves(label: str, metrics: set[str], better: tuple[str, float], fitted: Any) -> None:
    history = fitted(label).history
    names = {"loss", *metrics}
    assert set(history.history) == names | {f"val_{name}" for name in names}
    assert history.epoch == list(range(20))
    losses = history.history["loss"]
    assert all(later < earlier for earlier, later in itertools.pairwise(losses))
    name, bound = better
    assert history.history[name][-1] > bound if bound > 0 else history.history[name][-1] < -bound


@pytest.mark.parametrize("label", LABELS)
def test_the_last_point_of_the_curves_is_the_model(label: str, fitted: Any) -> None:
    case = fitted(label)
    answers = np.concatenate([case.model(features).numpy() for features, _ in case.evaluation])
    labels = np.concatenate([label for _, label in case.evaluation.as_numpy_iterator()])
    metric = {
        "creditability": keras.metrics.BinaryCrossentropy(),
        "species": keras.metrics.SparseCategoricalCrossentropy(),
        "mpg": keras.metrics.MeanSquaredError(),
    }[label]
    metric.update_state(labels, answers)
    assert case.history.history["val_loss"][-1] == pytest.approx(float(metric.result()), rel=1e-4)


@pytest.mark.parametrize("label", LABELS)
def test_outputs(label: str, fitted: Any) -> None:
    case = fitted(label)
    features, _ = next(iter(case.evaluation))
    outputs = {name: value.numpy() for name, value in case.recipe.outputs(case.model(features)).items()}
    if label == "mpg":
        assert list(outputs) == ["prediction"]
        assert (outputs["prediction"].dtype, outputs["prediction"].shape) == (np.float32, (100, 1))
        return
    assert outputs["probabilities"].shape == (100, len(case.recipe.class_names))
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1.0, rtol=1e-5)
    assert ("score" in outputs) == (label == "creditability")


@pytest.mark.slow
def test_models_come_back_in_another_process(fitted: Any, tmp_path: Path) -> None:
    expected = {}
    for label in LABELS:
        case = fitted(label)
        features, _ = next(case.evaluation.as_numpy_iterator())
        expected[label] = case.model({name: tf.constant(values) for name, values in features.items()}).numpy()
        case.model.save(tmp_path / f"{label}.keras")
        plain = {name: values.astype(np.bytes_) if values.dtype == object else values for name, values in features.items()}
        np.savez(tmp_path / f"{label}.npz", **plain)
    script = (
        "import keras, numpy as np, sys, tensorflow as tf, recipes.forest.layer\n"
        "for label in sys.argv[1:]:\n"
        "    model = keras.models.load_model(f'{label}.keras')\n"
        "    features = {name: tf.constant(values) for name, values in np.load(f'{label}.npz').items()}\n"
        "    np.save(f'{label}.npy', model(features))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", script, *LABELS]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environment)
    for label in LABELS:
        np.testing.assert_array_equal(np.load(tmp_path / f"{label}.npy"), expected[label])


def test_forests_of_one_process_are_told_apart(forest: Any) -> None:
    # YDF's operation keeps the forest that it met first: see ForestLayer.plant.
    small, large = (forest.fit("creditability", forest.make_recipe("creditability"), epochs=steps) for steps in (2, 20))
    features, _ = next(iter(small.evaluation))
    for case in (small, large):
        (layer,) = (layer for layer in case.model.layers if isinstance(layer, ForestLayer))
        columns = {name: features[feature].numpy()[:, 0] for feature, name in layer.columns.items()}
        columns = {name: values.astype(np.bytes_) if values.dtype == object else values for name, values in columns.items()}
        expected = layer.trees.predict(columns)
        positive_is_good = layer.trees.label_classes()[1] == "good"
        answers = case.model(features).numpy()[:, 0]
        np.testing.assert_allclose(answers, expected if positive_is_good else 1.0 - expected, atol=1e-6)


def test_what_is_missing_or_new_is_answered(fitted: Any) -> None:
    case = fitted("species")
    features, _ = next(iter(case.evaluation))
    for name, values in features.items():
        odd = ["", "never met"] if values.dtype == tf.string else [float("nan"), 1e30]
        for value in odd:
            changed = {**features, name: tf.fill(values.shape, tf.constant(value, values.dtype))}
            assert np.isfinite(case.model(changed).numpy()).all()


@pytest.mark.parametrize("label", LABELS)
def test_the_same_seed_gives_the_same_bytes(label: str, forest: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def grown(seed: int, num_cpus: int) -> dict[str, bytes]:
        monkeypatch.setattr(os, "cpu_count", lambda: num_cpus)
        folder = tmp_path / f"{seed}_{num_cpus}"
        model = forest.fit(label, forest.make_recipe(label, seed=seed, subsample=0.7, feature_share=0.5), epochs=5).model
        return files_of(model, folder)

    first = grown(7, 1)
    assert set(first) == {
        "forest_data_spec.pb",
        "forest_done",
        "forest_gradient_boosted_trees_header.pb",
        "forest_header.pb",
        "forest_nodes-00000-of-00001",
    }
    assert grown(7, 5) == first
    assert grown(8, 1) != first


def test_early_stopping_cuts_the_forest_down(forest: Any, tmp_path: Path) -> None:
    stopping = keras.callbacks.EarlyStopping("val_auc", mode="max", patience=5, restore_best_weights=True)
    case = forest.fit("creditability", forest.make_recipe("creditability"), epochs=60, callbacks=[stopping])
    curve = case.history.history["val_auc"]
    best = int(np.argmax(curve))
    assert len(curve) == best + 6 < 60
    assert case.model.forest.trees.num_trees() == best + 1
    assert (case.model.count_params(), int(case.model.forest.num_steps)) == (case.model.forest.trees.num_nodes(), best + 1)
    # It is the forest of so many steps, to the byte: importances and logs as well.
    (tmp_path / "cut").mkdir()
    (tmp_path / "whole").mkdir()
    whole = forest.fit("creditability", forest.make_recipe("creditability"), epochs=best + 1)
    assert files_of(case.model, tmp_path / "cut") == files_of(whole.model, tmp_path / "whole")


def test_hyperband_goes_on_where_it_stopped(forest: Any) -> None:
    recipe = forest.make_recipe("mpg")
    whole, later = (forest.fit("mpg", recipe, epochs=6, initial_epoch=initial).history for initial in (0, 4))
    assert later.epoch == [4, 5]
    assert later.history == {name: values[4:] for name, values in whole.history.items()}


def test_class_weights_count(forest: Any) -> None:
    def share_of_bad(weight: float) -> float:
        recipe = forest.make_recipe("creditability")
        case = forest.fit("creditability", recipe, epochs=10, class_weight={0: weight, 1: 1.0})
        return float(np.mean([case.model(features).numpy() < 0.5 for features, _ in case.evaluation.unbatch().batch(334)]))

    assert share_of_bad(0.2) < share_of_bad(1.0) < share_of_bad(5.0)


def test_defaults_of_the_search_space_are_the_params(forest: Any) -> None:
    def values(**model: Any) -> dict[str, Any]:
        hp = keras_tuner.HyperParameters()
        forest.make_recipe("mpg", **model).build(hp)
        return hp.values

    given = {"max_depth": 3, "min_examples": 7, "subsample": 0.6, "feature_share": 0.4, "l2": 0.2}
    assert values(**given) == {"growing_strategy": "local", "learning_rate": 0.1, **given}
    best_first = values(growing_strategy="best_first", max_num_nodes=12)
    assert (best_first["growing_strategy"], best_first["max_num_nodes"]) == ("best_first", 12)


def test_every_key_of_model_changes_the_forest(forest: Any) -> None:
    def settings(learning_rate: float | None = None, **model: Any) -> dict[str, Any]:
        recipe = forest.make_recipe("mpg", learning_rate=learning_rate, **model)
        return recipe.build(keras_tuner.HyperParameters()).forest.settings

    changed = {
        "max_depth": 3,
        "min_examples": 7,
        "subsample": 0.6,
        "feature_share": 0.4,
        "l2": 0.2,
        "growing_strategy": "best_first",
        "max_num_nodes": 12,
        "min_category_count": 2,
        "max_categories": 30,
    }
    assert settings(0.05, **changed) == {**changed, "shrinkage": 0.05, "seed": 7}


def test_each_setting_reaches_ydf(forest: Any, tmp_path: Path) -> None:
    def grown(**model: Any) -> bytes:
        folder = tmp_path / "_".join(map(str, model.values())) if model else tmp_path / "default"
        fitted = forest.fit("creditability", forest.make_recipe("creditability", **model), epochs=3)
        return b"".join(files_of(fitted.model, folder).values())

    changes: list[dict[str, Any]] = [
        {"max_depth": 3},
        {"min_examples": 20},
        {"subsample": 0.6},
        {"feature_share": 0.4},
        {"l2": 5.0},
        {"growing_strategy": "best_first"},
        {"growing_strategy": "best_first", "max_num_nodes": 5},
        {"min_category_count": 60},
        {"max_categories": 3},
    ]
    made = [grown(), *(grown(**change) for change in changes)]
    assert len(set(made)) == len(made)


def test_an_empty_forest_says_so() -> None:
    layer = ForestLayer({"x": "x"}, [], {})
    with pytest.raises(ValueError, match=r"the forest has not grown yet: fit the model, or load a fitted one\."):
        layer.call({"x": tf.zeros([1, 1])})


def test_one_class_teaches_nothing(forest: Any) -> None:
    recipe = forest.make_recipe("species")
    features, labels = forest.features_of("species", recipe)
    dataset = tf.data.Dataset.from_tensor_slices((features, np.full_like(labels, 1))).batch(100)
    hp = keras_tuner.HyperParameters()
    with pytest.raises(RecipeError) as one:
        recipe.fit(hp, recipe.build(hp), dataset, epochs=1)
    assert str(one.value) == (
        "data.label: all 344 training examples are of the class 'Chinstrap'. Expected two classes or more: check the label, "
        "or split the data in another way (data.split)."
    )


def test_a_class_that_training_lacks_has_no_chance(forest: Any) -> None:
    recipe = forest.make_recipe("species")
    features, labels = forest.features_of("species", recipe)
    rows = labels[:, 0] != 1
    dataset = tf.data.Dataset.from_tensor_slices(({name: values[rows] for name, values in features.items()}, labels[rows]))
    hp = keras_tuner.HyperParameters()
    model = recipe.build(hp)
    recipe.fit(hp, model, dataset.batch(100), epochs=10)
    answers = model({name: tf.constant(values[rows]) for name, values in features.items()}).numpy()
    assert (answers[:, 1] == 0.0).all()
    assert (answers.argmax(axis=1) == labels[rows, 0]).mean() > 0.98


def test_mistakes_of_transform(forest: Any) -> None:
    with pytest.raises(RecipeError) as wrong:
        forest.make_recipe(
            "species",
            transform={"ignore": ["sexx", "species", "year"], "categories": ["bill_length_mm", "island", "year"]},
        )
    assert str(wrong.value).splitlines() == [
        "transform.ignore: the schema has no column 'sexx'. Did you mean 'sex'? Known: island, bill_length_mm, bill_depth_mm, "
        "flipper_length_mm, body_mass_g, sex, year.",
        "transform.ignore: 'species' is the label, which is no feature. Leave it out.",
        "transform.categories: 'year' is also in transform.ignore. Name it in one of the two.",
        "transform.categories: column 'bill_length_mm' has the type FLOAT. Expected INT (BYTES always are categories). Leave "
        "it out, or cast the column (data.cast).",
    ]
    everything = ["island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex", "year"]
    with pytest.raises(RecipeError) as nothing:
        forest.make_recipe("species", transform={"ignore": everything})
    assert str(nothing.value) == (
        "transform.ignore: no column is left to learn from but the label 'species'. Ignore fewer columns."
    )


def test_numbers_may_be_names(forest: Any) -> None:
    kinds = {
        categories: {name: spec.dtype for name, spec in model.input.items()}["year"]
        for categories in (False, True)
        for model in [
            forest.make_recipe("species", transform={"categories": ["year"] if categories else []}).build(
                keras_tuner.HyperParameters()
            )
        ]
    }
    assert kinds == {False: "float32", True: "string"}
