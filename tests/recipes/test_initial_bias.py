"""Every classifier first answers how frequent its classes are."""

from __future__ import annotations

import math

import keras_tuner
import numpy as np
import pytest

from tests.recipes.tabular.test_models import make_data, make_recipe


@pytest.mark.parametrize("kind", ["deep", "linear", "wide_and_deep"])
def test_two_classes(kind: str) -> None:
    recipe = make_recipe("flag", kind=kind)
    recipe.set_class_counts([980, 20])
    model = recipe.build(keras_tuner.HyperParameters())
    biases = [layer.bias.numpy().item() for layer in model.layers if layer.name in {"deep", "linear"}]
    assert sum(biases) == pytest.approx(math.log(20 / 980))
    if kind == "linear":  # whose other weights are zero
        features, _ = make_data("flag")
        assert model.predict(features, verbose=0) == pytest.approx(0.02)


def test_three_classes_one_of_which_training_has_no_example_of() -> None:
    recipe = make_recipe("size", kind="linear")
    recipe.set_class_counts([60, 0, 39])
    features, _ = make_data("size")
    answered = recipe.build(keras_tuner.HyperParameters()).predict(features, verbose=0)
    assert answered == pytest.approx(np.tile([0.6, 0.01, 0.39], (len(answered), 1)), abs=1e-6)


def test_nobody_told() -> None:
    model = make_recipe("flag").build(keras_tuner.HyperParameters())
    assert model.get_layer("deep").bias.numpy().tolist() == [0.0]


def test_what_was_told_is_saved_with_the_model() -> None:
    import keras

    recipe = make_recipe("size")
    recipe.set_class_counts([60.0, 1.5, 38.5])
    model = recipe.build(keras_tuner.HyperParameters())
    again = keras.Model.from_config(model.get_config())
    assert again.get_layer("deep").bias.numpy().tolist() == model.get_layer("deep").bias.numpy().tolist()


def test_images_and_texts_too() -> None:
    from tests.recipes.image.conftest import make_recipe as make_image_recipe
    from tests.recipes.text.conftest import create_with_vocabulary

    for recipe in (make_image_recipe(), create_with_vocabulary()):
        assert len(recipe.class_names) == 2
        recipe.set_class_counts([90, 10])
        model = recipe.build(keras_tuner.HyperParameters())
        assert model.get_layer("logits").bias.numpy().tolist() == [pytest.approx(math.log(1 / 9))]
