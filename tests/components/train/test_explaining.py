"""Integrated gradients in the graph: exact where they can be known, and what they point at."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from components.explain.quadrature import gauss_legendre
from components.train.explaining import _IntegratedGradients, explanation
from recipes.contract import Gradients

ROOT = Path(__file__).parents[3]


def integrated(model: Any, told: Gradients, features: dict[str, Any], examples: Any = (), points: int = 16) -> dict[str, Any]:
    import tensorflow as tf

    gradients = tf.function(_IntegratedGradients(model, told, examples).__call__)
    tensors = {name: tf.constant(values) for name, values in features.items()}
    return gradients(tensors, *map(tf.constant, gauss_legendre(points)))


@pytest.fixture(scope="module")
def linear() -> Any:
    """Two numbers and a category of three values: weights 2 and -1; 0, 5 and 10."""
    import keras

    inputs = {"numeric": keras.Input((2,), name="numeric"), "kind": keras.Input((1,), dtype="int64", name="kind")}
    number = keras.layers.Dense(1, name="linear")
    category = keras.layers.Embedding(3, 1, name="kind_weights")
    flat = keras.layers.Flatten()(category(inputs["kind"]))
    model = keras.Model(inputs, keras.layers.Add()([number(inputs["numeric"]), flat]))
    number.set_weights([np.array([[2.0], [-1.0]]), np.array([0.5])])
    category.set_weights([np.array([[0.0], [5.0], [10.0]])])
    return model


def told_of(model: Any, baseline: float | None) -> Gradients:
    return Gradients(model, baseline, dict, {"kind": ["kind_weights"]})


def test_of_a_linear_model_they_are_weight_times_distance(linear: Any) -> None:
    import tensorflow as tf

    features = {"numeric": np.array([[3.0, 1.0], [0.0, 4.0]], np.float32), "kind": np.array([[2], [0]])}
    examples = tf.data.Dataset.from_tensor_slices((features, [0, 1])).batch(1)
    found = integrated(linear, told_of(linear, None), features, examples)
    means = features["numeric"].mean(axis=0)
    np.testing.assert_allclose(found["attributions"]["numeric"], (features["numeric"] - means) * [2.0, -1.0], rtol=1e-5)
    np.testing.assert_allclose(found["attributions"]["kind"], [[10.0 - 5.0], [0.0 - 5.0]], rtol=1e-5)
    np.testing.assert_allclose(found["baseline"], [2.0 * 1.5 - 2.5 + 5.0 + 0.5] * 2, rtol=1e-6)
    np.testing.assert_allclose(found["value"], linear(features)[:, 0], rtol=1e-6)


def test_from_zeros(linear: Any) -> None:
    features = {"numeric": np.array([[3.0, 1.0]], np.float32), "kind": np.array([[1]])}
    found = integrated(linear, told_of(linear, 0.0), features)
    np.testing.assert_allclose(found["attributions"]["numeric"], [[6.0, -1.0]], rtol=1e-5)
    np.testing.assert_allclose(found["attributions"]["kind"], [[5.0]], rtol=1e-5)
    np.testing.assert_allclose(found["baseline"], [0.5], rtol=1e-6)


def test_of_a_curve_they_are_complete_and_shared_as_known() -> None:
    """x² + 3y of one input: the integral of 2 x a · x da is x², and no other point than both ends matters."""
    import keras

    inputs = keras.Input((2,), name="numeric")
    answer = keras.layers.Lambda(lambda x: x[:, :1] ** 2 + 3.0 * x[:, 1:])(inputs)
    model = keras.Model({"numeric": inputs}, answer)
    found = integrated(model, Gradients(model, 0.0, dict), {"numeric": np.array([[4.0, -2.0]], "f4")})
    np.testing.assert_allclose(found["attributions"]["numeric"], [[16.0, -6.0]], rtol=1e-5)


def test_of_several_classes_the_greatest_against_the_others() -> None:
    import keras

    inputs = keras.Input((3,), name="numeric")
    model = keras.Model({"numeric": inputs}, keras.layers.Activation("linear")(inputs))
    logits = np.array([[1.0, 4.0, 2.0], [3.0, 0.0, -1.0]], np.float32)
    found = integrated(model, Gradients(model, 0.0, dict), {"numeric": logits}, points=64)
    assert found["output"].numpy().tolist() == [1, 0]
    probability = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).max(axis=1)
    np.testing.assert_allclose(found["value"], np.log(probability / (1 - probability)), rtol=1e-5)
    np.testing.assert_allclose(found["baseline"], [np.log(0.5)] * 2, rtol=1e-5)  # a third against two thirds
    total = found["attributions"]["numeric"].numpy().sum(axis=1)
    np.testing.assert_allclose(total, found["value"] - found["baseline"], rtol=1e-4)


def test_the_telling_word_ranks_first_and_padding_has_no_part() -> None:
    """The recipe's own network, in which one word alone has a vector."""
    import keras
    import keras_tuner

    from recipes.text.network import EMBEDDING, Network
    from recipes.text.params import ModelParams

    tokens = keras.Input((None,), dtype="int64", name="tokens")
    network = Network(ModelParams(), keras_tuner.HyperParameters(), seed=1)
    model = keras.Model({"tokens": tokens}, network.over_tokens(tokens, 10, 8, 1, 4))
    table = np.random.default_rng(0).normal(0.0, 0.01, (10, 4))
    table[7] = [1.0, -1.0, 2.0, 0.5]
    model.get_layer(EMBEDDING).set_weights([table])
    ids = np.array([[3, 7, 4, 0, 0], [3, 4, 5, 6, 7]])
    told = Gradients(model, 0.0, dict, {"tokens": [EMBEDDING]})
    found = integrated(model, told, {"tokens": ids})
    values = found["attributions"]["tokens"].numpy()
    assert np.abs(values).argmax(axis=1).tolist() == [1, 4]
    assert (np.abs(values) > 0.5 * np.abs(values).sum(axis=1, keepdims=True)).sum(axis=1).tolist() == [1, 1]
    assert not values[0, 3:].any()
    np.testing.assert_allclose(values.sum(axis=1), found["value"] - found["baseline"], rtol=1e-3)


def test_what_moves_the_answer_lies_in_the_garment() -> None:
    """The recipe's own network and real pictures of clothes, in front of black."""
    import keras
    import keras_tuner

    from recipes.image.network import Network
    from recipes.image.params import ModelParams

    with np.load(ROOT / "data" / "fashion_npz" / "fashion_4k.npz") as file:
        pictures = (file["image"][:6].reshape(6, 28, 28, 1) / 255.0).astype(np.float32)
    images = keras.Input((28, 28, 1), name="image")
    network = Network(ModelParams(filters=[4, 8]), "zero_one", keras_tuner.HyperParameters(), seed=1)
    model = keras.Model({"image": images}, network.logits(images, 3))
    told = Gradients(lambda features: model(features, training=False), 0.0, dict)
    found = integrated(model, told, {"image": pictures}, points=64)
    strength = np.abs(found["attributions"]["image"].numpy())
    garment = pictures > 0.3
    assert strength[garment].mean() > 10.0 * strength[~garment].mean()
    sums = found["attributions"]["image"].numpy().sum(axis=(1, 2, 3))
    np.testing.assert_allclose(sums, found["value"] - found["baseline"], rtol=0.01, atol=1e-3)


def test_a_network_without_a_gradient_says_so() -> None:
    import keras
    import tensorflow as tf

    inputs = keras.Input((1,), name="numeric")
    model = keras.Model({"numeric": inputs}, keras.layers.Lambda(tf.stop_gradient)(inputs))
    told = Gradients(model, 0.0, dict)
    recipe = SimpleNamespace(explain=lambda model: told)

    def parse(examples: Any) -> dict[str, Any]:
        return {"numeric": tf.zeros([tf.size(examples), 1])}

    content, function = explanation(parse, dict, model, recipe, ())
    assert function is None
    assert content == {
        "method": None,
        "why": "the network can't be differentiated: nothing that it sees moves its answer.",
    }
