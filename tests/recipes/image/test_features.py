"""Encoded images become pixels of one size, in the graph."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from recipes.image.features import make_image
from recipes.image.params import TransformParams

RANDOM = np.random.default_rng(0)
PIXELS = {
    mode: RANDOM.integers(0, 256, (9, 11, *channels), np.uint8)
    for mode, channels in {"grey": (), "grey_alpha": (2,), "rgb": (3,), "rgba": (4,)}.items()
}


def pixels_of(*files: bytes, **params: Any) -> np.ndarray:
    settings = TransformParams.model_validate({"height": 9, "width": 11, "normalise": "none", **params})
    made = make_image(tf.constant([[file] for file in files]), settings)
    assert made.dtype == tf.float32
    return made.numpy()


def by_pillow(file: bytes, channels: int) -> np.ndarray:
    image = Image.open(io.BytesIO(file)).convert("RGBA").convert("RGB")
    image = image if channels == 3 else image.convert("L")
    return np.asarray(image, np.float32).reshape(image.height, image.width, channels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", mode) for mode in PIXELS] + [("BMP", "grey"), ("BMP", "rgb"), ("BMP", "rgba"), ("GIF", "grey")],
)
def test_every_kind_gives_the_pixels_of_the_file(image_tools: Any, kind: str, mode: str, channels: int) -> None:
    file = image_tools.encode(PIXELS[mode], kind)
    # Pillow rounds the luminance to a whole number.
    np.testing.assert_allclose(pixels_of(file, channels=channels)[0], by_pillow(file, channels), atol=0.51)


@pytest.mark.parametrize("mode", ["grey", "rgb"])
def test_jpeg(image_tools: Any, mode: str) -> None:
    file = image_tools.encode(PIXELS[mode], "JPEG")
    # The two decoders round their cosine transforms differently.
    np.testing.assert_allclose(pixels_of(file, channels=3)[0], by_pillow(file, 3), atol=4.0)


def test_the_first_frame_of_an_animation(image_tools: Any) -> None:
    file = io.BytesIO()
    first, second = (Image.fromarray(np.full((9, 11), value, np.uint8)) for value in (40, 200))
    first.save(file, "GIF", save_all=True, append_images=[second])
    np.testing.assert_array_equal(pixels_of(file.getvalue(), channels=3), 40.0)


@pytest.mark.parametrize("resize", ["bilinear", "area", "bicubic", "lanczos3", "nearest"])
def test_sizes(image_tools: Any, resize: str) -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (36, 22))
    same, half, twice = image_tools.encode(PIXELS["grey"]), image_tools.encode(stripes), image_tools.encode(stripes[:5, :6])
    batch = pixels_of(same, half, twice, channels=1, resize=resize)
    np.testing.assert_allclose(batch[0, :, :, 0], PIXELS["grey"], atol=1e-4)
    assert ((batch >= 0.0) & (batch <= 255.0)).all()
    # All but nearest make grey of fine stripes: that is what antialiasing is for.
    middle = batch[1, :, 2:-2]
    assert set(np.unique(middle)) <= {0.0, 255.0} if resize == "nearest" else np.abs(middle - 127.5).max() < 1.0


def test_fits(image_tools: Any) -> None:
    wide = np.zeros((4, 12), np.uint8)
    wide[:, 4:8] = 200
    wide[:, :4] = 100
    made = {
        fit: pixels_of(image_tools.encode(wide), height=4, width=4, channels=1, resize="area", fit=fit)[0, :, :, 0]
        for fit in ("stretch", "crop", "pad")
    }
    np.testing.assert_array_equal(made["crop"], np.full((4, 4), 200.0))
    np.testing.assert_allclose(made["stretch"], np.tile([100.0, 166.67, 133.33, 0.0], (4, 1)), atol=0.01)
    np.testing.assert_array_equal(made["pad"][[0, 3]], 0.0)
    assert made["pad"][1:3].sum() > 0.0
    tall = pixels_of(image_tools.encode(wide.T), height=4, width=4, channels=1, fit="crop")[0, :, :, 0]
    np.testing.assert_allclose(tall, np.full((4, 4), 200.0), atol=1e-4)
    sliver = pixels_of(image_tools.encode(np.full((1, 40), 9, np.uint8)), height=40, width=1, channels=1, fit="crop")
    np.testing.assert_allclose(sliver, np.full((1, 40, 1, 1), 9.0), atol=1e-4)


def test_ranges(image_tools: Any) -> None:
    black_and_white = np.zeros((9, 11), np.uint8)
    black_and_white[:4] = 255
    file = image_tools.encode(black_and_white)
    made = {name: pixels_of(file, normalise=name) for name in ("zero_one", "minus_one_one", "none", "standardise")}
    ranges = {name: (float(value.min()), float(value.max())) for name, value in made.items() if name != "standardise"}
    assert ranges == {"zero_one": (0.0, 1.0), "minus_one_one": (-1.0, 1.0), "none": (0.0, 255.0)}
    assert abs(float(made["standardise"].mean())) < 1e-5
    assert float(made["standardise"].std()) == pytest.approx(1.0)
    padded = pixels_of(file, height=20, width=20, normalise="minus_one_one", fit="pad")
    np.testing.assert_array_equal(padded[0, 0], -1.0)


def test_raw_columns_of_every_kind(image_tools: Any) -> None:
    file = image_tools.encode(PIXELS["rgb"])
    params = TransformParams(height=9, width=11)
    dense = tf.constant([[file], [file]])
    for raw in (dense, tf.sparse.from_dense(dense), tf.RaggedTensor.from_tensor(dense), tf.constant([file, file])):
        assert make_image(raw, params).shape == (2, 9, 11, 3)
    assert make_image(tf.zeros([0, 1], tf.string), params).shape == (0, 9, 11, 3)


@pytest.mark.parametrize("content", [b"", b"hello", PIXELS["rgb"].tobytes()])
def test_what_is_no_image_stops(content: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Input is empty|Unknown image file format"):
        pixels_of(content)


@pytest.mark.slow
def test_transform_and_serving_agree(image_tools: Any, tmp_path: Path) -> None:
    pictures = [image_tools.encode(np.full((size, 2 * size, 3), 50 * size, np.uint8)) for size in (1, 3, 5)]
    recipe = image_tools.recipe("corner", transform={"channels": 3})
    columns = {"picture": pictures, "corner": [b"c", b"a", b"b"]}
    features, output = image_tools.transform(recipe, columns, tmp_path)
    assert {name: (value.shape, value.dtype) for name, value in features.items()} == {
        "image": ((3, 12, 12, 3), np.float32),
        "label": ((3, 1), np.int64),
    }
    assert features["label"].tolist() == [[2], [0], [1]]
    expected = np.broadcast_to(np.array([50, 150, 250], np.float32).reshape(3, 1, 1, 1) / 255.0, (3, 12, 12, 3))
    np.testing.assert_allclose(features["image"], expected, rtol=1e-6)
    served = output.transform_features_layer()({"picture": tf.sparse.from_dense([[picture] for picture in pictures])})
    assert set(served) == {"image"}
    np.testing.assert_array_equal(served["image"], features["image"])
