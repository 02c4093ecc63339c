"""Arrays of images, in .npz and .npy files; see test_typed_sources.py for columns of numbers and strings."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.errors import ParamsError, UserError
from components.ingest.ingest import ingest
from components.params.models import DataParams
from tests.components.ingest.test_image_source import examples

FASHION = Path(__file__).parents[3] / "data/fashion_npz/fashion_4k.npz"
RNG = np.random.default_rng(0)
LABELS = np.array(["a", "b"] * 20)


def run(**params) -> dict:
    data = DataParams.model_validate({"format": "npz", "label": "label", "images": {"image": {}}, **params})
    return ingest(data, None, Path("examples"), Path("report"))


def pixels() -> dict[bytes, bytes]:
    """Pixels → label, of every example."""
    return {np.asarray(Image.open(io.BytesIO(example["image"]))).tobytes(): example["label"] for example in examples()}


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 1), (7, 5, 3), (7, 5, 4), (3, 1)])
@pytest.mark.parametrize("data_format", ["npz", "npy"])
def test_pixels_come_back(folder, shape, data_format):
    images = RNG.integers(0, 256, (40, *shape), dtype=np.uint8)
    if data_format == "npz":
        np.savez_compressed("x.npz", image=images, label=LABELS)
        path = "x.npz"
    else:
        Path("x").mkdir()
        np.save("x/image.npy", images)
        np.save("x/label.npy", LABELS)
        path = "x/*.npy"
    report = run(path=path, format=data_format)
    assert report["num_records_in"] == 40
    assert list(report["by_file"]) == ["x.npz" if data_format == "npz" else "x"]
    assert pixels() == {image.tobytes(): label.encode() for image, label in zip(images, LABELS.tolist(), strict=True)}
    example = examples()[0]
    channels = shape[2] if len(shape) == 3 else 1
    assert (example["image_height"], example["image_width"], example["image_channels"]) == (*shape[:2], channels)
    assert example["image_format"] == b"array"
    luminance = np.asarray(Image.open(io.BytesIO(example["image"])).convert("L")) / 255
    assert example["image_brightness"] == pytest.approx(luminance.mean(), abs=1e-6)
    assert example["image_contrast"] == pytest.approx(luminance.std(), abs=1e-6)


def test_fashion(folder):
    report = run(path=str(FASHION), cast={"label": "string"})
    with np.load(FASHION) as arrays:
        expected = {
            image.tobytes(): str(label).encode() for image, label in zip(arrays["image"], arrays["label"], strict=True)
        }
    assert pixels() == expected
    assert report["num_records_in"] == 4000
    assert report["images"] == {"num_converted": {"array": 4000}, "num_copies": 0, "ignored_files": 0}


def test_more_than_one_block(folder):
    images = RNG.integers(0, 256, (40, 300, 500, 3), dtype=np.uint8)
    np.savez("x.npz", image=images, label=LABELS)
    run(path="x.npz")
    assert pixels() == {image.tobytes(): label.encode() for image, label in zip(images, LABELS.tolist(), strict=True)}


SHAPES = (
    "[images, height, width] or [images, height, width, 1, 3 or 4] of uint8. Convert it, as by (255 * array).astype(np.uint8)."
)


@pytest.mark.parametrize(
    ("images", "params", "problem"),
    [
        (
            np.zeros((40, 4, 4), np.uint8),
            {"images": {}},
            "x.npz: array 'image' is of the shape (40, 4, 4). Expected one dimension, with a value a record. Name it in "
            "data.images if it holds images, save its columns as arrays of their own, or leave it out.",
        ),
        (
            np.zeros((40, 4, 4), np.float32),
            {},
            f"x.npz: array 'image' of data.images is of the shape (40, 4, 4) and the type float32. Expected {SHAPES}",
        ),
        (
            np.zeros((40, 4, 4, 2), np.uint8),
            {},
            f"x.npz: array 'image' of data.images is of the shape (40, 4, 4, 2) and the type uint8. Expected {SHAPES}",
        ),
        (
            np.zeros((40, 4), np.uint8),
            {},
            f"x.npz: array 'image' of data.images is of the shape (40, 4) and the type uint8. Expected {SHAPES}",
        ),
        (
            np.zeros((40, 4, 4), np.uint8),
            {"images": {"image": {"max_pixels": 15}}},
            "x.npz: the images of array 'image' have 4 × 4 pixels. Expected at most 15. Shrink them, or raise "
            "data.images.image.max_pixels.",
        ),
        (
            np.asfortranarray(np.zeros((40, 4, 4), np.uint8)),
            {},
            "x.npz: array 'image' of data.images lies in Fortran's order, image by image nowhere. Expected C's. Save "
            "np.ascontiguousarray(array).",
        ),
        (
            np.zeros((39, 4, 4), np.uint8),
            {},
            "x.npz: the arrays are of different lengths: 'image' 39, 'label' 40. Expected a value a record in each. "
            "Mend the file.",
        ),
    ],
)
def test_what_is_no_column_of_images(folder, images, params, problem):
    np.savez("x.npz", image=images, label=LABELS)
    with pytest.raises(UserError) as error:
        run(path="x.npz", **params)
    assert str(error.value) == problem


def test_npy_files_that_make_no_table(folder):
    for name in ("a", "b"):
        Path(name).mkdir()
        np.save(f"{name}/label.npy", LABELS)
    with pytest.raises(ParamsError) as error:
        run(path="*/*.npy", format="npy", images={})
    assert str(error.value) == (
        "data.path: a/label.npy and b/label.npy would both be the column 'label'. Expected a file a column."
    )
    Path("a/label.npy").write_bytes(b"no array")
    with pytest.raises(UserError) as unreadable:
        run(path="a/*.npy", format="npy", images={})
    assert str(unreadable.value).startswith("a: cannot be read: ")
    assert str(unreadable.value).endswith("Expected a .npy file, as numpy.save writes. Mend or remove the file.")


def test_nothing_is_unpickled(folder):
    np.save("label.npy", np.array([{"a": 1}] * 3, object), allow_pickle=True)
    with pytest.raises(UserError, match=r"array 'label' holds Python objects, which only unpickling reads\."):
        run(path="*.npy", format="npy", images={})
