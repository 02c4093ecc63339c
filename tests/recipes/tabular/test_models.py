"""Networks: every kind builds, trains, is saved and comes back; every key of `model` changes something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes import RECIPES
from recipes.contract import RecipeError, Task
from recipes.tabular import RECIPE_CLASSES
from recipes.tabular.classifier import TabularClassifier
from recipes.tabular.params import ModelParams, TransformParams
from recipes.tabular.regressor import TabularRegressor

SCHEMA = """
feature { name: "x" type: FLOAT }
feature { name: "colour" type: BYTES }
feature { name: "hour" type: INT int_domain { min: 0 max: 3 is_categorical: true } }
feature { name: "flag" type: INT int_domain { min: 0 max: 1 } }
feature { name: "size" type: BYTES string_domain { value: "S" value: "M" value: "L" } }
feature { name: "price" type: FLOAT }
"""
SPEC = {
    "numeric": tf.io.FixedLenFeature([3], tf.float32),
    "missing": tf.io.FixedLenFeature([1], tf.float32),
    "colour": tf.io.FixedLenFeature([1], tf.int64),
    "hour": tf.io.FixedLenFeature([1], tf.int64),
    "colour_x_hour": tf.io.FixedLenFeature([1], tf.int64),
}
LABELS = {"flag": TabularClassifier, "size": TabularClassifier, "price": TabularRegressor}
NUM_IDS = {"colour": 22, "hour": 6, "colour_x_hour": 1000}


def make_recipe(label: str, seed: int = 7, learning_rate: float | None = None, **model: Any) -> Any:
    transform = {"ignore": [other for other in LABELS if other != label], "crosses": [["colour", "hour"]]}
    recipe = LABELS[label](
        Task(
            label,
            text_format.Parse(SCHEMA, schema_pb2.Schema()),
            TransformParams.model_validate(transform),
            ModelParams.model_validate(model),
            learning_rate,
            seed,
        )
    )
    recipe.set_features(SPEC, SimpleNamespace(vocabulary_size_by_name={"colour": 20}.__getitem__))
    return recipe


def make_data(label: str, rows: int = 96) -> tuple[dict[str, np.ndarray], np.ndarray]:
    random = np.random.default_rng(0)
    features: dict[str, Any] = {
        "numeric": random.normal(size=(rows, 3)).astype(np.float32),
        "missing": random.integers(2, size=(rows, 1)).astype(np.float32),
        **{name: random.integers(size, size=(rows, 1)) for name, size in NUM_IDS.items()},
    }
    signal = features["numeric"].sum(axis=1, keepdims=True) + features["hour"] / 3
    if label == "price":
        return features, (2000.0 + 200.0 * signal).astype(np.float32)
    return features, np.digitize(signal, [0.0] if label == "flag" else [0.0, 1.5])


def train(recipe: Any, label: str, epochs: int = 2, factor: float = 1.0) -> tuple[keras.Model, Any]:
    keras.utils.set_random_seed(0)
    hp = keras_tuner.HyperParameters()
    model = recipe.build(hp)
    features, labels = make_data(label)
    dataset = tf.data.Dataset.from_tensor_slices((features, labels * factor if factor != 1.0 else labels)).batch(32)
    return model, recipe.fit(hp, model, dataset, validation_data=dataset, epochs=epochs, verbose=0)


def test_recipes_are_listed() -> None:
    assert set(RECIPE_CLASSES) == {name for name, package in RECIPES.items() if package == "recipes.tabular"}


def test_what_a_recipe_tells() -> None:
    told = {
        label: (recipe.kind, recipe.key_metric, recipe.class_names, recipe.objective, recipe.objective_direction)
        for label in LABELS
        for recipe in [make_recipe(label)]
    }
    assert told == {
        "flag": ("binary", "auc", ["0", "1"], "val_auc", "max"),
        "size": ("multiclass", "accuracy", ["S", "M", "L"], "val_loss", "min"),
        "price": ("regression", "mae", [], "val_mae", "min"),
    }


@pytest.mark.parametrize(
    ("label", "metrics"), [("flag", {"auc", "aucpr", "accuracy"}), ("size", {"accuracy"}), ("price", {"mae", "rmse"})]
)
def test_metrics_have_their_names(label: str, metrics: set[str]) -> None:
    _, history = train(make_recipe(label), label, epochs=1)
    names = {"loss", *metrics}
    assert set(history.history) == names | {f"val_{name}" for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("kind", ["deep", "linear", "wide_and_deep"])
def test_a_model_is_saved_and_comes_back(kind: str, label: str, tmp_path: Path) -> None:
    model, history = train(make_recipe(label, kind=kind), label)
    assert history.history["loss"][1] < history.history["loss"][0]
    features, _ = make_data(label)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(features, verbose=0), model.predict(features, verbose=0))


@pytest.mark.slow
def test_a_model_needs_keras_alone(tmp_path: Path) -> None:
    recipe = make_recipe("price", kind="wide_and_deep", loss="msle")
    model, _ = train(recipe, "price")
    features, _ = make_data("price")
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "features.npz", **features)  # type: ignore[arg-type]
    script = (
        "import keras, numpy as np, sys; model = keras.models.load_model('model.keras'); "
        "np.save('predictions.npy', model.predict(dict(np.load('features.npz')), verbose=0)); "
        "sys.exit('recipes' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    np.testing.assert_array_equal(np.load(tmp_path / "predictions.npy"), model.predict(features, verbose=0))


@pytest.mark.parametrize("label", LABELS)
def test_outputs(label: str) -> None:
    recipe = make_recipe(label)
    model = recipe.build(keras_tuner.HyperParameters())
    features, _ = make_data(label, rows=5)
    predictions = model(features)
    outputs = {name: value.numpy() for name, value in recipe.outputs(predictions).items()}
    if label == "price":
        assert list(outputs) == ["prediction"]
        assert (outputs["prediction"].dtype, outputs["prediction"].shape) == (np.float32, (5, 1))
        return
    num_classes = len(recipe.class_names)
    assert (outputs["probabilities"].dtype, outputs["probabilities"].shape) == (np.float32, (5, num_classes))
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1.0, rtol=1e-6)
    likeliest = [recipe.class_names[index].encode() for index in outputs["probabilities"].argmax(axis=1)]
    assert outputs["label"].tolist() == likeliest
    if label == "flag":
        np.testing.assert_array_equal(outputs["score"], outputs["probabilities"][:, 1:])
    else:
        assert "score" not in outputs


def test_the_same_seed_gives_the_same_weights() -> None:
    def weights(seed: int) -> list[np.ndarray]:
        return train(make_recipe("flag", seed, dropout=0.5), "flag")[0].get_weights()

    first, again, other = weights(7), weights(7), weights(8)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(first, other, strict=True))


def test_defaults_of_the_search_space_are_the_params() -> None:
    def defaults(**model: Any) -> dict[str, Any]:
        hp = keras_tuner.HyperParameters()
        make_recipe("flag", **model).build(hp)
        return hp.values

    model = {"hidden_units": [48, 24, 12], "dropout": 0.15, "weight_decay": 0.003}
    assert defaults(**model) == {
        "num_layers": 3,
        "units_0": 48,
        "units_1": 24,
        "units_2": 12,
        "dropout": 0.15,
        "weight_decay": 0.003,
        "learning_rate": 1e-3,
    }
    assert defaults(kind="linear") == {"weight_decay": 1e-4, "learning_rate": 1e-2}


def test_tuned_values_are_taken() -> None:
    hp = keras_tuner.HyperParameters()
    recipe = make_recipe("flag")
    recipe.build(hp)
    hp.values |= {"num_layers": 1, "units_0": 128, "dropout": 0.5, "weight_decay": 0.01, "learning_rate": 0.02}
    model = recipe.build(hp)
    assert [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)] == [128, 1]
    assert model.get_layer("dropout_0").rate == 0.5
    assert model.optimizer.weight_decay == 0.01
    assert float(model.optimizer.learning_rate) == pytest.approx(0.02)


def test_a_given_learning_rate_is_not_searched_for() -> None:
    hp = keras_tuner.HyperParameters()
    model = make_recipe("flag", learning_rate=0.5).build(hp)
    assert ("learning_rate" in hp.values, float(model.optimizer.learning_rate)) == (False, 0.5)


def test_each_key_of_model_changes_the_network() -> None:
    def build(**model: Any) -> keras.Model:
        return make_recipe("flag", **model).build(keras_tuner.HyperParameters())

    assert build(hidden_units=[8]).get_layer("hidden_0").units == 8
    assert build(activation="gelu").get_layer("hidden_0").activation is keras.activations.gelu
    assert build(dropout=0.4).get_layer("dropout_0").rate == 0.4
    assert build(weight_decay=0.2).optimizer.weight_decay == 0.2
    dims = {name: build(max_embedding_dim=8).get_layer(f"{name}_embedding").output_dim for name in NUM_IDS}
    assert dims == {"colour": 8, "hour": 5, "colour_x_hour": 8}
    names = {
        kind: {layer.name for layer in build(kind=kind).layers} & {"deep", "linear"}
        for kind in ("deep", "linear", "wide_and_deep")
    }
    assert names == {"deep": {"deep"}, "linear": {"linear"}, "wide_and_deep": {"deep", "linear"}}
    losses = {
        loss: make_recipe("price", loss=loss).build(keras_tuner.HyperParameters()).loss for loss in ("mse", "mae", "msle")
    }
    assert losses == {"mse": "mean_squared_error", "mae": "mean_absolute_error", "msle": "mean_squared_logarithmic_error"}


def test_a_new_category_says_nothing() -> None:
    model, _ = train(make_recipe("flag"), "flag")
    features, _ = make_data("flag")
    unseen = next(iter(set(range(NUM_IDS["colour_x_hour"])) - set(features["colour_x_hour"].ravel())))
    np.testing.assert_array_equal(model.get_layer("colour_x_hour_embedding").get_weights()[0][unseen], 0.0)


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_a_regression_learns_the_same_in_any_unit(loss: str) -> None:
    features, labels = make_data("price")
    predictions, errors = [], []
    for factor in (1.0, 1e6):
        model, history = train(make_recipe("price", loss=loss, weight_decay=0.1), "price", epochs=30, factor=factor)
        predictions.append(model.predict(features, verbose=0) / factor)
        errors.append(history.history["val_mae"][-1] / factor)
    np.testing.assert_allclose(predictions[1], predictions[0], rtol=1e-2)
    assert errors[0] == pytest.approx(np.abs(predictions[0] - labels).mean(), rel=1e-3)
    assert errors[0] < 0.5 * np.abs(labels - labels.mean()).mean()


def test_a_long_tail_is_learned_on_its_logarithm() -> None:
    features, labels = make_data("price")
    labels = np.exp(labels / 200.0)  # from e^5 to e^15
    recipe = make_recipe("price", loss="msle")
    hp = keras_tuner.HyperParameters()
    model = recipe.build(hp)
    dataset = tf.data.Dataset.from_tensor_slices((features, labels)).batch(32)
    recipe.fit(hp, model, dataset, epochs=40, verbose=0)
    predictions = model.predict(features, verbose=0)
    assert (predictions > -1.0).all()
    assert np.corrcoef(np.log1p(predictions[:, 0]), np.log1p(labels[:, 0]))[0, 1] > 0.9
    features["numeric"][:] = 1e9
    assert np.isfinite(model.predict(features, verbose=0)).all()


def test_labels_that_are_all_the_same_are_learned() -> None:
    recipe = make_recipe("price")
    hp = keras_tuner.HyperParameters()
    model = recipe.build(hp)
    features, labels = make_data("price")
    dataset = tf.data.Dataset.from_tensor_slices((features, np.full_like(labels, 5.0))).batch(32)
    assert np.isfinite(recipe.fit(hp, model, dataset, epochs=1, verbose=0).history["loss"][0])


def test_mistakes_of_model_and_label() -> None:
    with pytest.raises(RecipeError) as classifier_loss:
        make_recipe("flag", loss="mae")
    assert str(classifier_loss.value) == (
        "model.loss: tabular.classifier always minimises the cross entropy, got mae. Remove the key, or take the recipe "
        "tabular.regressor."
    )
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    with pytest.raises(RecipeError) as words:
        TabularRegressor(Task("size", schema, TransformParams(), ModelParams()))
    assert str(words.value) == (
        "data.label: the label 'size' has the type BYTES. A regression needs FLOAT or INT. Cast the column (data.cast), "
        "or take the recipe tabular.classifier."
    )
    recipe = make_recipe("price", loss="msle")
    hp = keras_tuner.HyperParameters()
    features, labels = make_data("price", rows=4)
    labels[2] = -3.5
    dataset = tf.data.Dataset.from_tensor_slices((features, labels)).batch(2)
    with pytest.raises(RecipeError) as negative:
        recipe.fit(hp, recipe.build(hp), dataset, epochs=1, verbose=0)
    assert str(negative.value) == "model.loss: msle needs labels >= 0, and 'price' goes down to -3.5. Take mse or mae."


@pytest.mark.slow
def test_penguins_are_learned(penguins: Any) -> None:
    features = {name: value for name, value in penguins.features.items() if name != "label"}
    held_out = np.random.default_rng(0).random(344) < 0.3
    keras.utils.set_random_seed(0)
    hp = keras_tuner.HyperParameters()
    model = penguins.recipe.build(hp)

    def dataset(rows: np.ndarray) -> tf.data.Dataset:
        taken = {name: value[rows] for name, value in features.items()}
        return tf.data.Dataset.from_tensor_slices((taken, penguins.features["label"][rows])).batch(16)

    penguins.recipe.fit(hp, model, dataset(~held_out), epochs=30, verbose=0)
    assert model.evaluate(dataset(held_out), verbose=0, return_dict=True)["accuracy"] > 0.95
