"""Examples of images and texts as ingest would write them, a few hundred real records."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

ROOT = Path(__file__).parents[3]
_TYPES = {bytes: pa.binary(), str: pa.binary(), int: pa.int64(), float: pa.float32()}


def write_examples(folder: Path, splits: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """Writes records, dicts of bytes, str, int and float, as an Examples artifact; returns its folder."""
    from components.tf_example import encode
    from components.tfrecord_writer import ShardWriter, frame

    for split, records in splits.items():
        names = sorted({name for record in records for name in record})
        columns = {}
        for name in names:
            values = [record.get(name) for record in records]
            kind = type(next(value for value in values if value is not None))
            columns[name] = pa.array([value.encode() if isinstance(value, str) else value for value in values], _TYPES[kind])
        ShardWriter(folder / f"Split-{split}", 2).write(frame(encode(columns, len(records))))
    return folder


def image_record(encoded: bytes, label: str, copies: int = 0) -> dict[str, Any]:
    """A record as ingest makes it of an image."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as image:
        luminance = np.asarray(image.convert("L"), np.float64) / 255
        return {
            "image": encoded,
            "image_width": image.width,
            "image_height": image.height,
            "image_channels": len(image.getbands()),
            "image_format": str(image.format),
            "image_aspect": image.width / image.height,
            "image_brightness": float(luminance.mean()),
            "image_contrast": float(luminance.std()),
            "image_copies": copies,
            "label": label,
        }


def blank_png() -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (28, 28), 3).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def fashion() -> dict[str, list[dict[str, Any]]]:
    """Split → records of fashion: three classes of 20; in train one image is blank, and one coat is a dress as well."""
    records = []
    with zipfile.ZipFile(ROOT / "data" / "fashion" / "fashion_5k.zip") as archive:
        for label in ("bag", "coat", "dress"):
            names = sorted(name for name in archive.namelist() if name.startswith(f"{label}/"))[:20]
            records += [image_record(archive.read(name), label) for name in names]
    train = [record for index, record in enumerate(records) if index % 5]
    coat = next(record for record in train if record["label"] == "coat")
    train += [image_record(blank_png(), "bag"), {**coat, "label": "dress", "image_copies": 1}]
    rest = records[::5]
    return {"train": train, "eval": rest[::2], "test": rest[1::2]}


@pytest.fixture(scope="session")
def fashion_examples(tmp_path_factory: pytest.TempPathFactory, fashion: dict[str, list[dict[str, Any]]]) -> Path:
    return write_examples(tmp_path_factory.mktemp("fashion"), fashion)


@pytest.fixture(scope="session")
def review_examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """300 sentences, the first of train once more in test, in capitals."""
    with (ROOT / "data" / "reviews" / "sentences.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[::10]
    records = [
        {
            "text": row["text"],
            "text_num_chars": len(row["text"]),
            "text_num_words": len(row["text"].split()),
            "text_script": "Latin",
            "sentiment": row["sentiment"],
        }
        for row in rows
    ]
    again = {**records[0], "text": records[0]["text"].upper()}
    splits = {"train": records[:200], "eval": records[200:250], "test": [*records[250:], again]}
    return write_examples(tmp_path_factory.mktemp("reviews"), splits)


@pytest.fixture(scope="session", name="write_examples")
def _write_examples() -> Callable[..., Path]:
    return write_examples
