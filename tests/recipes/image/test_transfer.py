"""Backbones: taken from a path, frozen, then fine-tuned from some layer on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from recipes.contract import RecipeError
from recipes.image.backbone import unfreeze
from recipes.image.params import Backbone


@pytest.fixture(scope="module")
def trained(image_tools: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Another pipeline's model, of augmentation, two convolutions and a head for three classes: a file and a SavedModel."""
    folder = tmp_path_factory.mktemp("backbone")
    keras.utils.set_random_seed(0)
    recipe = image_tools.recipe("corner", augment={"flip": "vertical"}, head="flatten", dense_units=16)
    model = recipe.build(keras_tuner.HyperParameters())
    images, labels = image_tools.images(classes=3)
    model.fit({"image": images}, labels, epochs=8, verbose=0)
    model.save(folder / "model.keras")
    features = keras.Model(model.inputs[0], model.get_layer("features").output)
    features.export(folder / "features", format="tf_saved_model", verbose=False)
    return SimpleNamespace(model=model, file=str(folder / "model.keras"), folder=str(folder / "features"))


def transfer(image_tools: Any, path: str, transform: Any = None, **backbone: Any) -> Any:
    settings = {"path": path, "fine_tune_learning_rate": 1e-3, "fine_tune_epochs": 2, **backbone}
    return image_tools.recipe("side", network="transfer", dropout=0.0, transform=transform, backbone=settings)


def values_of(model: keras.Model) -> dict[str, np.ndarray]:
    return {variable.path: variable.numpy() for variable in model.variables if "seed" not in variable.path}


def moved(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    """Names of the layers (of a SavedModel: of the variables) that changed."""
    assert set(before) == set(after)
    return {path.split("/")[-2:][0] for path, value in after.items() if not np.array_equal(value, before[path])}


def fitted(recipe: Any, image_tools: Any, epochs: int = 2, callbacks: Any = ()) -> Any:
    images, labels = image_tools.images()
    hp = keras_tuner.HyperParameters()
    model = recipe.build(hp)
    before = values_of(model)
    dataset = tf.data.Dataset.from_tensor_slices(({"image": images}, labels)).batch(32)
    history = recipe.fit(
        hp, model, dataset, validation_data=dataset, epochs=epochs, callbacks=callbacks, shuffle=False, verbose=0
    )
    return SimpleNamespace(model=model, history=history, moved=moved(before, values_of(model)), images=images)


@pytest.mark.slow
def test_features_alone_are_taken_from_a_frozen_backbone(image_tools: Any, trained: Any) -> None:
    made = fitted(transfer(image_tools, trained.file, layer="features"), image_tools)
    assert made.moved == {"logits"}
    assert made.history.epoch == [0, 1]
    inner = made.model.get_layer("backbone").model
    assert inner.layers[-1].name == "features"
    for variable in inner.variables:
        if "seed" not in variable.path:
            same = next(other for other in trained.model.variables if other.path.endswith(variable.path))
            np.testing.assert_array_equal(variable, same)


@pytest.mark.slow
def test_fine_tuning_moves_what_lies_behind(image_tools: Any, trained: Any) -> None:
    made = fitted(transfer(image_tools, trained.file, layer="features", unfreeze_from="conv_1_0"), image_tools)
    assert made.moved == {"logits", "conv_1_0", "conv_1_0_norm"}
    assert made.history.epoch == [0, 1, 2, 3]
    assert {len(values) for values in made.history.history.values()} == {4}
    assert float(made.model.optimizer.learning_rate) == pytest.approx(1e-3)
    # Batch normalisation keeps the statistics that the backbone was trained on.
    norm, old = (model.get_layer("conv_1_0_norm") for model in (made.model.get_layer("backbone").model, trained.model))
    np.testing.assert_array_equal(norm.moving_mean, old.moving_mean)
    np.testing.assert_array_equal(norm.moving_variance, old.moving_variance)


@pytest.mark.slow
@pytest.mark.parametrize(("unfreeze_from", "fine_tuned"), [(None, False), (0, True)])
def test_a_saved_model_too(image_tools: Any, trained: Any, unfreeze_from: Any, fine_tuned: bool, tmp_path: Path) -> None:
    made = fitted(transfer(image_tools, trained.folder, unfreeze_from=unfreeze_from), image_tools)
    assert ("logits" in made.moved, bool(made.moved - {"logits"})) == (True, fine_tuned)
    predictions = made.model.predict({"image": made.images}, verbose=0)
    made.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded.predict({"image": made.images}, verbose=0), predictions)
    module = tf.Module()
    module.variables_of_model = [variable.value for variable in made.model.variables]
    signature = [{"image": tf.TensorSpec([None, 12, 12, 1], tf.float32)}]
    module.serve = tf.function(lambda features: made.model(features, training=False), input_signature=signature)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    exported = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(exported.serve({"image": tf.constant(made.images)}), predictions, atol=1e-6)


def test_a_file_and_a_saved_model_give_the_same_features(image_tools: Any, trained: Any) -> None:
    images, _ = image_tools.images(rows=4)
    recipes = [transfer(image_tools, trained.file, layer="features"), transfer(image_tools, trained.folder)]
    predictions = [recipe.build(keras_tuner.HyperParameters()).predict({"image": images}, verbose=0) for recipe in recipes]
    np.testing.assert_allclose(predictions[0], predictions[1], atol=1e-6)


def test_an_object_that_can_be_called(image_tools: Any, tmp_path: Path) -> None:
    class Doubled(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 1], tf.float32)])
        def __call__(self, images: tf.Tensor) -> tf.Tensor:
            return self.factor * images

    tf.saved_model.save(Doubled(), str(tmp_path / "doubled"))
    recipe = transfer(image_tools, str(tmp_path / "doubled"), signature="__call__", unfreeze_from=0)
    model = recipe.build(keras_tuner.HyperParameters())
    images, _ = image_tools.images(rows=3)
    features = keras.Model(model.inputs, model.get_layer("features").output).predict({"image": images}, verbose=0)
    np.testing.assert_allclose(features, 2.0 * images.mean(axis=(1, 2)), rtol=1e-5)


@pytest.mark.slow
def test_the_better_of_both_phases_is_kept(image_tools: Any, trained: Any) -> None:
    """A rate far too high ruins the backbone: early stopping goes back to what was before fine-tuning."""
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", mode="min", patience=5, restore_best_weights=True)
    recipe = transfer(image_tools, trained.file, layer="features", unfreeze_from=0, fine_tune_learning_rate=100.0)
    made = fitted(recipe, image_tools, callbacks=[stopping])
    assert made.history.epoch == [0, 1, 2, 3]
    losses = made.history.history["val_loss"]
    assert min(losses[:2]) < min(losses[2:])
    assert made.moved == {"logits"}
    images, labels = image_tools.images()
    assert made.model.evaluate({"image": images}, labels, verbose=0, return_dict=True)["loss"] == pytest.approx(
        min(losses), rel=1e-4
    )


def test_a_layer_is_named_or_counted(image_tools: Any, trained: Any) -> None:
    model = transfer(image_tools, trained.file, layer="features").build(keras_tuner.HyperParameters())
    layers = model.get_layer("backbone").model.layers
    for first in ("conv_1_0_norm", [layer.name for layer in layers].index("conv_1_0_norm")):
        model.get_layer("backbone").trainable = False
        unfreeze(model, Backbone(path=trained.file, layer="features", unfreeze_from=first))
        trainable = {layer.name for layer in layers if layer.trainable_variables}
        assert trainable == {"conv_1_0_norm"}


def test_a_backbone_stays_in_inference_mode(image_tools: Any, trained: Any, tmp_path: Path) -> None:
    """Its augmentation too; the network has none of its own here, and no dropout."""
    model = transfer(image_tools, trained.file, layer="features").build(keras_tuner.HyperParameters())
    images, _ = image_tools.images(rows=8)
    model.save(tmp_path / "model.keras")
    for one in (model, keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)):
        predictions = [one({"image": images}, training=training) for training in (False, True)]
        np.testing.assert_array_equal(predictions[0], predictions[1])


@pytest.mark.slow
def test_a_phase_that_stops_early_ends_alone(image_tools: Any, trained: Any) -> None:
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", mode="min", patience=1, min_delta=100.0)
    recipe = transfer(image_tools, trained.file, layer="features", unfreeze_from=0, fine_tune_epochs=3)
    made = fitted(recipe, image_tools, epochs=9, callbacks=[stopping])
    assert made.history.epoch == [0, 1, 2, 3]


MISTAKES = [
    (
        {"path": "nowhere.keras"},
        "model.backbone.path: there is nothing at nowhere.keras. Expected a .keras file or the folder of a SavedModel. "
        "Correct the path (from the repository's root), or build what writes it.",
    ),
    (
        {"path": "EMPTY"},
        "model.backbone.path: there is no SavedModel in EMPTY. Expected a folder with saved_model.pb in it. Correct the path "
        "(from the repository's root), or build what writes it.",
    ),
    (
        {"path": "FILE", "transform": {"height": 32, "channels": 3}},
        "model.backbone.path: FILE takes float32 [batch, 12, 12, 1], and transform makes float32 [batch, 32, 12, 3] (batch, "
        "height, width, channels). Set transform.height, width and channels as the backbone needs them, or take another "
        "backbone.",
    ),
    (
        {"path": "FOLDER", "transform": {"width": 7}},
        "model.backbone.path: FOLDER takes float32 [batch, 12, 12, 1], and transform makes float32 [batch, 12, 7, 1] (batch, "
        "height, width, channels). Set transform.height, width and channels as the backbone needs them, or take another "
        "backbone.",
    ),
    (
        {"path": "FILE", "layer": "feature"},
        "model.backbone.layer: FILE has no layer 'feature'. Did you mean 'features'? It has 18 up to its features: image, "
        "augmentation, conv_0_0, pool_0, conv_0_0_norm, conv_0_0_relu, …, hidden_norm, hidden_relu, dropout, logits, "
        "probabilities.",
    ),
    (
        {"path": "FILE", "layer": "features", "unfreeze_from": 40},
        "model.backbone.unfreeze_from: FILE has no layer 40. It has 11 up to its features: image, augmentation, conv_0_0, "
        "pool_0, conv_0_0_norm, conv_0_0_relu, conv_1_0, pool_1, conv_1_0_norm, conv_1_0_relu, features.",
    ),
    (
        {"path": "FOLDER", "unfreeze_from": "conv_1_0"},
        "model.backbone.unfreeze_from: FOLDER is a SavedModel, which has no layers to choose from. Expected 0 (all of it) or "
        "null, got 'conv_1_0'.",
    ),
    (
        {"path": "FOLDER", "signature": "predict"},
        "model.backbone.signature: the SavedModel in FOLDER has no signature 'predict'. Expected one of: serve, "
        "serving_default.",
    ),
    (
        {"path": "FOLDER", "layer": "features"},
        "model.backbone.layer: the SavedModel in FOLDER has no output 'features'. Expected one of: output_0.",
    ),
]


@pytest.mark.parametrize(("settings", "message"), MISTAKES)
def test_mistakes(image_tools: Any, trained: Any, tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    places = {"FILE": trained.file, "FOLDER": trained.folder, "EMPTY": str(tmp_path)}
    recipe = transfer(image_tools, **{**settings, "path": places.get(settings["path"], settings["path"])})
    with pytest.raises(RecipeError) as caught:
        recipe.build(keras_tuner.HyperParameters())
    found = str(caught.value)
    for name, place in places.items():
        found = found.replace(place, name)
    assert found == message


def test_what_is_no_keras_file(image_tools: Any, tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    file.write_bytes(b"no zip")
    with pytest.raises(RecipeError) as caught:
        transfer(image_tools, str(file)).build(keras_tuner.HyperParameters())
    assert str(caught.value).startswith(
        f"model.backbone.path: {file} cannot be loaded as a Keras model. Expected a .keras file as keras.Model.save writes "
        "it. Keras says: "
    )
