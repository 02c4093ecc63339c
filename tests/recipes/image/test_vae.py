"""The variational autoencoder: its bound against NumPy, training under `fit` and with replicas, pictures, mistakes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import RecipeError, Task
from recipes.image.vae.model import NUM_SAMPLES, VAE
from recipes.image.vae.params import ModelParams, TransformParams
from recipes.image.vae.recipe import ImageVAE
from tests.recipes.image.conftest import SCHEMA, SIZE, make_images

SHEETS = {"reconstructions.png": (720, 120), "samples.png": (600, 600)}
"""File → size: images of twelve pixels a side, enlarged five times."""


def make_vae(*, seed: int = 7, label: str | None = None, size: int = SIZE, **model: Any) -> ImageVAE:
    """A recipe that knows its features: images of `size` × `size` × 1."""
    params = ModelParams.model_validate({"filters": [4, 4], "hidden_units": 8, **model})
    schema = text_format.Parse(SCHEMA, schema_pb2.Schema())
    task = Task(label, schema, TransformParams(height=size, width=size), params, learning_rate=0.01, seed=seed)
    recipe = ImageVAE(task)
    recipe.set_features({"image": tf.io.FixedLenFeature([size, size, 1], tf.float32)}, SimpleNamespace())
    return recipe


def build(recipe: ImageVAE) -> VAE:
    return recipe.build(keras_tuner.HyperParameters())


def test_the_bound_is_that_of_the_paper() -> None:
    recipe = make_vae()
    model = build(recipe)
    images, _ = make_images(5)
    mean, log_var = (values.numpy().astype(np.float64) for values in model.encode(images))
    likelihoods = []
    for point in model._points.numpy():
        probability = model.decode((mean + np.exp(log_var / 2) * point).astype(np.float32)).numpy().astype(np.float64)
        of_pixels = images * np.log(probability) + (1 - images) * np.log(1 - probability)
        likelihoods.append(of_pixels.sum(axis=(1, 2, 3)))
    # The divergence of two normal distributions, by its definition rather than in the closed form of a standard one.
    grid = np.linspace(-12, 12, 20001)[:, None, None]
    density = np.exp(-((grid - mean) ** 2) / (2 * np.exp(log_var))) / np.sqrt(2 * np.pi * np.exp(log_var))
    log_ratio = -((grid - mean) ** 2) / (2 * np.exp(log_var)) - log_var / 2 + grid**2 / 2
    kl = (density * log_ratio).sum(axis=0).sum(axis=1) * (24 / 20000)
    scores = recipe.score(model, {"image": tf.constant(images)}, None)
    assert len(likelihoods) == NUM_SAMPLES
    np.testing.assert_allclose(scores["reconstruction"], np.mean(likelihoods, axis=0), rtol=1e-4)
    np.testing.assert_allclose(scores["kl"], kl, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(scores["elbo"], np.mean(likelihoods, axis=0) - kl, rtol=1e-4)
    rebuilt = recipe.outputs(model({"image": images}))["reconstruction"].numpy()
    np.testing.assert_allclose(scores["squared_error"], ((rebuilt - images) ** 2).mean(axis=(1, 2, 3)), rtol=1e-4)


def test_the_bound_of_an_image_does_not_depend_on_its_batch() -> None:
    model = build(make_vae())
    images, _ = make_images(6)
    whole = model.bound(images)["elbo"].numpy()
    np.testing.assert_allclose(model.bound(images[4:])["elbo"].numpy(), whole[4:], rtol=1e-5)


def test_it_learns_without_labels_the_same_from_the_same_seed() -> None:
    images, _ = make_images(96)
    data = tf.data.Dataset.from_tensor_slices({"image": images}).batch(16)

    def train(seed: int) -> tuple[dict[str, list[float]], list[np.ndarray]]:
        recipe = make_vae(seed=seed)
        model = build(recipe)
        history = recipe.fit(keras_tuner.HyperParameters(), model, data, validation_data=data, epochs=6, verbose=0)
        return history.history, model.get_weights()

    (history, weights), (again, same), (_, other) = train(7), train(7), train(8)
    assert history["val_loss"][-1] < 0.95 * history["val_loss"][0]
    np.testing.assert_allclose(history["val_loss"], [-elbo for elbo in history["val_elbo"]])
    parts = np.array(history["val_reconstruction"]) - history["val_kl"]
    np.testing.assert_allclose(history["val_elbo"], parts, rtol=1e-5)
    assert history == again
    for one, two in zip(weights, same, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not all(np.array_equal(one, two) for one, two in zip(weights, other, strict=True))


def test_codes_are_decoded_and_encoded_by_signatures_of_their_own() -> None:
    recipe = make_vae(latent_dim=3)
    model = build(recipe)
    images, _ = make_images(4)
    code = recipe.heads(model)["encode"]({"image": tf.constant(images)})
    assert {name: tuple(values.shape) for name, values in code.items()} == {"mean": (4, 3), "log_var": (4, 3)}
    decoded = recipe.functions(model)["decode"](code["mean"])["image"].numpy()
    outputs = recipe.outputs(model({"image": images}))
    np.testing.assert_array_equal(outputs["latent"], code["mean"])
    np.testing.assert_allclose(decoded, outputs["reconstruction"], rtol=1e-5)
    assert decoded.min() >= 0
    assert decoded.max() <= 1


@pytest.mark.parametrize(
    ("latent_dim", "expected"),
    [
        (2, SHEETS | {"manifold.png": (1200, 1200), "codes.png": (660, 660)}),
        (3, SHEETS),
    ],
)
def test_pictures(latent_dim: int, expected: dict[str, tuple[int, int]], tmp_path: Path) -> None:
    recipe = make_vae(latent_dim=latent_dim)
    images, labels = make_images(40)
    model = build(recipe)
    recipe.describe(model, tmp_path, tf.data.Dataset.from_tensor_slices(({"image": images}, labels)).batch(16))
    assert {path.name: Image.open(path).size for path in tmp_path.iterdir()} == expected
    sheet = np.asarray(Image.open(tmp_path / "reconstructions.png"))[::5, ::5]
    # The first image of the split is the first that is shown, and its reconstruction stands below it.
    np.testing.assert_array_equal(sheet[:12, :12], np.round(images[0, :, :, 0] * 255))
    rebuilt = model({"image": images[:1]})["reconstruction"].numpy()[0, :, :, 0]
    np.testing.assert_allclose(sheet[12:, :12], rebuilt * 255, atol=1)


def test_a_size_that_cannot_be_halved() -> None:
    with pytest.raises(RecipeError) as caught:
        make_vae(size=10)
    assert str(caught.value) == (
        "transform.height: 10 can't be halved 2 times, once for each of model.filters. Expected a multiple of 4: take 8, or "
        "fewer filters."
    )
