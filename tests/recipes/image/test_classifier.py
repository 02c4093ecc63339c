"""Networks: each builds, learns, is saved and comes back; every key of `model` changes something."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from recipes import RECIPES
from recipes.contract import RecipeError
from recipes.image import RECIPE_CLASSES
from recipes.image.augmentation import Augmentation

AUGMENT = {"flip": "vertical", "crop": 0.1, "cutout": 0.2}


def test_recipes_are_listed() -> None:
    assert set(RECIPE_CLASSES) == {name for name, package in RECIPES.items() if package == "recipes.image"}


def test_what_a_recipe_tells(image_tools: Any) -> None:
    told = {
        label: (
            recipe.kind,
            recipe.key_metric,
            recipe.class_names,
            recipe.objective,
            recipe.objective_direction,
            recipe.inputs,
        )
        for label in ("side", "corner")
        for recipe in [image_tools.recipe(label)]
    }
    picture = {"picture": "image"}
    assert told == {
        "side": ("binary", "auc", ["left", "right"], "val_auc", "max", picture),
        "corner": ("multiclass", "accuracy", ["a", "b", "c"], "val_loss", "min", picture),
    }


@pytest.mark.slow
@pytest.mark.parametrize(("network", "label"), [("cnn", "side"), ("resnet", "corner")])
def test_a_network_learns_is_saved_and_comes_back(
    image_tools: Any, fit: Any, network: str, label: str, tmp_path: Path
) -> None:
    tf.config.experimental.enable_op_determinism()
    recipe = image_tools.recipe(
        label, network=network, augment={"flip": "vertical"}, head="flatten", dense_units=16, dropout=0.1
    )
    images, labels = image_tools.images(classes=len(recipe.class_names))
    model, history = fit(recipe, images, labels, epochs=12)
    metrics = {"auc", "aucpr", "accuracy"} if label == "side" else {"accuracy"}
    assert set(history.history) == {name for metric in {"loss", *metrics} for name in (metric, f"val_{metric}")}
    assert history.history["val_accuracy"][-1] > 0.8
    predictions = model.predict({"image": images}, verbose=0)
    np.testing.assert_allclose(model({"image": images}), predictions, atol=1e-6)  # nothing is augmented
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict({"image": images}, verbose=0), predictions)
    module = tf.Module()
    module.model = model
    signature = [{"image": tf.TensorSpec([None, 12, 12, 1], tf.float32)}]
    module.serve = tf.function(lambda features: model(features, training=False), input_signature=signature)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    exported = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(exported.serve({"image": tf.constant(images)}), predictions, atol=1e-6)
    # Last, for batch normalisation takes statistics of it.
    assert not np.allclose(model({"image": images}, training=True), predictions, atol=1e-3)


@pytest.mark.parametrize("label", ["side", "corner"])
def test_outputs(image_tools: Any, label: str) -> None:
    recipe = image_tools.recipe(label)
    images, _ = image_tools.images(rows=5)
    predictions = recipe.build(keras_tuner.HyperParameters())({"image": images})
    outputs = {name: value.numpy() for name, value in recipe.outputs(predictions).items()}
    classes = recipe.class_names
    assert (outputs["probabilities"].dtype, outputs["probabilities"].shape) == (np.float32, (5, len(classes)))
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1.0, rtol=1e-6)
    assert outputs["label"].tolist() == [classes[index].encode() for index in outputs["probabilities"].argmax(axis=1)]
    if label == "side":
        np.testing.assert_array_equal(outputs.pop("score"), outputs["probabilities"][:, 1:])
    assert set(outputs) == {"probabilities", "label"}


def test_the_same_seed_gives_the_same_weights(image_tools: Any, fit: Any) -> None:
    tf.config.experimental.enable_op_determinism()
    images, labels = image_tools.images(rows=32)

    def weights(seed: int) -> list[np.ndarray]:
        return fit(image_tools.recipe(seed=seed, dropout=0.5, augment=AUGMENT, filters=[4]), images, labels)[0].get_weights()

    first, again, other = weights(7), weights(7), weights(8)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not all(np.array_equal(one, two) for one, two in zip(first, other, strict=True))


def test_defaults_of_the_search_space_are_the_params_and_tuned_values_are_taken(image_tools: Any) -> None:
    recipe = image_tools.recipe(filters=[8, 12], dropout=0.15, weight_decay=0.003)
    hp = keras_tuner.HyperParameters()
    recipe.build(hp)
    assert hp.values == {"width": 1.0, "dropout": 0.15, "weight_decay": 0.003, "learning_rate": 3e-3}
    hp.values |= {"width": 1.5, "dropout": 0.5, "weight_decay": 0.01, "learning_rate": 0.02}
    model = recipe.build(hp)
    assert [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)] == [12, 18]
    assert model.get_layer("dropout").rate == 0.5
    assert model.optimizer.weight_decay == 0.01
    assert float(model.optimizer.learning_rate) == pytest.approx(0.02)


def test_each_key_of_model_changes_the_network(image_tools: Any) -> None:
    def build(**model: Any) -> keras.Model:
        return image_tools.recipe(**model).build(keras_tuner.HyperParameters())

    def convolutions(**model: Any) -> int:
        return sum(isinstance(layer, keras.layers.Conv2D) for layer in build(**model).layers)

    assert [convolutions(blocks=blocks) for blocks in (1, 2)] == [2, 4]
    assert [convolutions(network="resnet", blocks=blocks) for blocks in (1, 2)] == [7, 11]
    assert [build(head=head).get_layer("features").output.shape for head in ("average", "flatten")] == [(None, 8), (None, 72)]
    assert build(dense_units=5).get_layer("hidden").units == 5
    assert build(dropout=0.4).get_layer("dropout").rate == 0.4
    augmented = build(augment=AUGMENT).get_layer("augmentation")
    assert isinstance(augmented, Augmentation)
    assert [step.name for step in augmented.steps] == ["flip", "crop", "cutout"]


def test_the_search_goes_through_fit(image_tools: Any, tmp_path: Path) -> None:
    images, labels = image_tools.images(rows=32)
    dataset = tf.data.Dataset.from_tensor_slices(({"image": images}, labels)).batch(16)
    tuner = keras_tuner.RandomSearch(
        image_tools.recipe("corner"), objective="val_loss", max_trials=1, seed=1, directory=tmp_path, project_name="search"
    )
    tuner.search(dataset, validation_data=dataset, epochs=1, verbose=0)
    (trial,) = tuner.oracle.trials.values()
    assert np.isfinite(trial.score)


def test_contrast_is_not_augmented_where_transform_takes_it_out(image_tools: Any) -> None:
    with pytest.raises(RecipeError) as caught:
        image_tools.recipe(transform={"normalise": "standardise"}, augment={"contrast": 0.1})
    assert str(caught.value) == (
        "model.augment.contrast: transform.normalise standardise has already taken contrast and brightness out of each image. "
        "Remove model.augment.contrast, or take another normalise."
    )
