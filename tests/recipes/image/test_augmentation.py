"""Random changes: in training alone, the same for the same seed, and as strong as asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes.image.augmentation import VALUE_RANGES, Augmentation, augmentation
from recipes.image.params import Augment

CHANGES: list[dict[str, Any]] = [
    {"flip": "horizontal"},
    {"flip": "vertical"},
    {"flip": "both"},
    {"crop": 0.2},
    {"rotation": 0.1},
    {"zoom": 0.3},
    {"contrast": 0.5},
    {"brightness": 0.5},
    {"cutout": 0.6},
]
IMAGES = np.random.default_rng(0).random((16, 12, 12, 3), np.float32)


def layer_of(seed: int = 3, normalise: str = "zero_one", **params: Any) -> Augmentation:
    layer = augmentation(Augment.model_validate(params), normalise, np.random.default_rng(seed))
    assert layer is not None
    return layer


def changed(layer: Augmentation, images: np.ndarray = IMAGES) -> list[np.ndarray]:
    """Two calls, in a graph, as in training."""

    @tf.function
    def run(batch: tf.Tensor) -> tf.Tensor:
        return layer(batch, training=True)

    return [run(tf.constant(images)).numpy() for _ in range(2)]


def test_no_change_is_no_layer() -> None:
    assert augmentation(Augment(), "zero_one", np.random.default_rng(0)) is None


@pytest.mark.parametrize("params", CHANGES, ids=str)
def test_training_alone_changes_images_and_the_seed_says_how(params: dict[str, Any]) -> None:
    tf.config.experimental.enable_op_determinism()
    layer = layer_of(**params)
    for images in (layer(IMAGES), layer(IMAGES, training=False)):
        np.testing.assert_array_equal(images, IMAGES)
    first, second = changed(layer)
    assert first.shape == IMAGES.shape
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, IMAGES)
    np.testing.assert_array_equal(changed(layer_of(**params)), [first, second])
    assert not np.array_equal(changed(layer_of(seed=4, **params))[0], first)


@pytest.mark.parametrize("normalise", ["zero_one", "minus_one_one", "none"])
def test_values_stay_in_their_range(normalise: str) -> None:
    low, high = VALUE_RANGES[normalise]
    images = low + (high - low) * IMAGES
    everything = {name: value for params in CHANGES for name, value in params.items()}
    made = np.concatenate(changed(layer_of(normalise=normalise, **everything), images))
    assert (made.min(), made.max()) == (low, high)


def test_flips_and_crops_move_whole_pixels() -> None:
    columns = np.broadcast_to(np.arange(12, dtype=np.float32)[np.newaxis, np.newaxis, :, np.newaxis], (64, 12, 12, 1))
    flipped = changed(layer_of(flip="horizontal"), columns)[0]
    starts = flipped[:, 0, 0, 0]
    assert set(starts.tolist()) == {0.0, 11.0}
    assert 16 < (starts == 0.0).sum() < 48
    np.testing.assert_array_equal(changed(layer_of(flip="vertical"), columns)[0], columns)
    cropped = changed(layer_of(crop=0.25), columns)[0]
    shifts = cropped[:, 0, 6, 0] - 6.0
    assert set(shifts.tolist()) == {-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0}
    assert set(np.unique(cropped).tolist()) <= set(range(12))


def test_cutout_blackens_one_rectangle_of_every_image() -> None:
    white = np.ones((64, 20, 20, 3), np.float32)
    black = changed(layer_of(cutout=0.5), white)[0][:, :, :, 0] == 0.0
    heights, widths = black.any(axis=2).sum(axis=1), black.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(black.sum(axis=(1, 2)), heights * widths)
    assert max(heights.max(), widths.max()) in (10, 11)
    assert np.median(heights) > 4
    assert (black.sum(axis=(1, 2)) > 0).mean() > 0.9


def test_saved_and_loaded(tmp_path: Path) -> None:
    everything = {name: value for params in CHANGES for name, value in params.items()}
    layer = layer_of(**everything)
    images = keras.Input(IMAGES.shape[1:])
    keras.Model(images, layer(images)).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    again = next(layer for layer in loaded.layers if isinstance(layer, Augmentation))
    np.testing.assert_array_equal(changed(again), changed(layer))
    np.testing.assert_array_equal(loaded(IMAGES), IMAGES)
