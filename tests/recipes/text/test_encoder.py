"""A pretrained encoder, made here: it trains, is saved, comes back, and is exported; and what is said of bad ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from recipes.contract import RecipeError
from recipes.text.layers import TextEncoder

TEXTS = np.array([["good film"], ["bad film"], ["good"], [""]], object)


class WordLookup(tf.Module):
    """Mean of the vectors of the words good, bad and others: with a table and a weight, as encoders of TF Hub have."""

    def __init__(self, answer: Callable[[tf.Tensor], Any] = lambda vectors: vectors) -> None:
        super().__init__()
        pairs = tf.lookup.KeyValueTensorInitializer(["good", "bad"], tf.constant([0, 1], tf.int64))
        self.table = tf.lookup.StaticHashTable(pairs, 2)
        self.weights = tf.Variable([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], name="weights")
        self.answer = answer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts: tf.Tensor) -> Any:
        ids = self.table[tf.strings.split(texts)]
        vectors = tf.math.divide_no_nan(
            tf.reduce_sum(tf.gather(self.weights, ids), axis=1), tf.cast(ids.row_lengths(), tf.float32)[:, tf.newaxis]
        )
        return self.answer(vectors)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("encoder")
    tf.saved_model.save(WordLookup(), str(folder))
    return str(folder)


def test_the_vectors_of_texts(encoder: str) -> None:
    expected = [[0.75, 0.25], [0.25, 0.75], [1.0, 0.0], [0.0, 0.0]]
    np.testing.assert_array_equal(TextEncoder(encoder)(tf.constant(TEXTS.tolist())), expected)


@pytest.mark.slow
def test_a_model_on_an_encoder(encoder: str, make_recipe: Callable[..., Any], tmp_path: Path) -> None:
    network = {"kind": "encoder", "path": encoder, "hidden_units": [4]}
    recipe = make_recipe({"tokenizer": {"kind": "none"}}, {"network": network, "dropout": 0.0}, learning_rate=0.1)
    hp = keras_tuner.HyperParameters()
    model = recipe.build(hp)
    texts = tf.constant(TEXTS.tolist())
    data = tf.data.Dataset.from_tensor_slices(({"text": texts}, [[1], [0], [1], [0]])).batch(4).repeat(8)
    losses = recipe.fit(hp, model, data, epochs=2, verbose=0, shuffle=False).history["loss"]
    assert losses[1] < losses[0]
    np.testing.assert_array_equal(model.get_layer("encoder").loaded.weights, [[1, 0], [0, 1], [0.5, 0.5]])
    expected = model({"text": texts}).numpy()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded({"text": texts}), expected)
    recipe.describe(model, tmp_path / "nothing", data)  # it has no vectors of words

    module = tf.Module()
    module.variables_ = [variable.value for variable in model.variables]
    module.loaded = model.get_layer("encoder").loaded
    module.serve = tf.function(lambda text: model({"text": text}), input_signature=[tf.TensorSpec([None, 1], tf.string)])
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=module.serve)
    served = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"](texts)
    np.testing.assert_allclose(next(iter(served.values())), expected, rtol=1e-6)


def test_an_encoder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        TextEncoder(str(tmp_path / "none"))
    assert str(caught.value).startswith(f"model.network.path: cannot load an encoder from '{tmp_path}/none': ")
    assert str(caught.value).endswith("Expected the folder of a SavedModel (from the repository's root) or a TF Hub handle.")


@pytest.mark.parametrize(
    ("answer", "output", "message"),
    [
        (
            lambda vectors: {"a": vectors, "b": vectors},
            None,
            "model.network.output: the encoder in '{}' has 2 outputs. Expected one of: a, b.",
        ),
        (
            lambda vectors: {"a": vectors, "b": vectors},
            "c",
            "model.network.output: the encoder in '{}' has no output 'c'. Expected one of: a, b.",
        ),
        (
            lambda vectors: vectors[:, 0],
            None,
            "model.network.output: the encoder in '{}' answers the shape (None,). Expected [batch, n], a vector a text.",
        ),
    ],
)
def test_an_encoder_that_answers_something_else(
    answer: Callable[[tf.Tensor], Any], output: str | None, message: str, tmp_path: Path
) -> None:
    tf.saved_model.save(WordLookup(answer), str(tmp_path))
    with pytest.raises(RecipeError) as caught:
        TextEncoder(str(tmp_path), output)(keras.Input((1,), dtype="string"))
    assert message.format(tmp_path) in str(caught.value)


def test_a_saved_model_that_is_no_function(tmp_path: Path) -> None:
    module = tf.Module()
    module.weight = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path))
    with pytest.raises(RecipeError) as caught:
        TextEncoder(str(tmp_path))
    assert str(caught.value) == (
        f"model.network.path: the SavedModel in '{tmp_path}' cannot be called. Expected one whose object is a function from "
        "strings [batch] to vectors, as TF Hub's text encoders are."
    )
