"""Skew: the log of requests against the training data, images and texts measured as ingest does."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.drift.build import Plan, profile_records
from components.drift.kinds import kinds_of
from components.drift.profile import Profile
from components.drift.report import judge
from components.drift.serving import comparable, profile_log
from components.errors import UserError
from components.params.models import DataParams, DriftParams
from components.tfrecord_writer import frame
from components.validate.measured import Columns

DATA = DataParams.model_validate(
    {"path": "x.csv", "label": "good", "images": {"photo": {}}, "texts": {"review": {}}, "allow_nonfinite": []}
)
INPUTS = {"fare": "number", "photo": "image", "review": "text"}
Serialize = Callable[[Mapping[str, Sequence[Any]]], list[bytes]]


def png(brightness: int, seed: int) -> bytes:
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 40, (6, 8), np.uint8) + np.uint8(brightness)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def columns(num_records: int, brightness: int = 100, text: str = "a good ride") -> dict[str, list[Any]]:
    return {
        "fare": [float(index % 17) for index in range(num_records)],
        "photo": [png(brightness, index) for index in range(num_records)],
        "review": [f"{text}, number {index % 7}" for index in range(num_records)],
    }


@pytest.fixture(scope="module")
def baseline(serialize: Serialize) -> Profile:
    """Of examples as ingest makes them: measured, with a label, and a column that the model does not take."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    rows = columns(300)
    luminance = np.array([100 + np.random.default_rng(index).integers(0, 40, (6, 8), np.uint8) for index in range(300)]) / 255
    measured = {
        "photo_width": [8] * 300,
        "photo_height": [6] * 300,
        "photo_brightness": luminance.mean(axis=(1, 2)).tolist(),
        "photo_copies": [0] * 300,
        "review_num_words": [5] * 300,
        "review_script": ["Latin"] * 300,
    }
    kinds = kinds_of(schema_pb2.Schema(), Columns("good", ("photo",), ("review",)))
    records = serialize({**rows, **measured, "good": [0, 1] * 150, "tips": [1.5] * 300})
    return profile_records([records], "train", Plan(kinds, "good"))


def write_log(folder: Path, records: list[bytes]) -> None:
    folder.mkdir(exist_ok=True)
    half = len(records) // 2
    for index, part in enumerate((records[:half], records[half:])):
        content = b"".join(frame(pa.array(part, pa.binary())).to_pylist())
        (folder / f"2026-11-23-{index}.tfrecord.gz").write_bytes(gzip.compress(content))
    (folder / "2026-11-23-2.tfrecord.gz.partial").write_bytes(b"half a file")


def skew(baseline: Profile, folder: Path) -> tuple[str, dict[str, bool], int]:
    requests = profile_log(folder, "the log", baseline, DATA, INPUTS)
    params = DriftParams()
    found = judge(
        "serving",
        baseline,
        requests,
        limits=params.limits.model_dump(),
        significance=params.significance,
        only=comparable(INPUTS, baseline),
    )
    return found.state, {feature.feature: feature.drifted for feature in found.features}, requests.num_records


def test_requests_like_the_training_data_are_no_skew(baseline: Profile, serialize: Serialize, tmp_path: Path) -> None:
    """The label, a column that is no input, and what is not measured of requests are not asked for."""
    write_log(tmp_path, serialize(columns(200)))
    state, drifted, num_records = skew(baseline, tmp_path)
    assert (state, num_records) == ("no_drift", 200)
    measured = {"photo_width", "photo_height", "photo_brightness", "review_num_words", "review_script"}
    assert set(drifted) == {"fare", "review", *measured}


def test_darker_pictures_other_words_and_a_column_that_nobody_sends(
    baseline: Profile, serialize: Serialize, tmp_path: Path
) -> None:
    rows = columns(200, brightness=20, text="a dull ride")
    rows["photo"][0] = b"no image"
    write_log(tmp_path, serialize({name: values for name, values in rows.items() if name != "fare"}))
    state, drifted, _ = skew(baseline, tmp_path)
    assert state == "drift"
    assert {name for name in ("fare", "photo_brightness", "review", "photo_width", "review_num_words") if drifted[name]} == {
        "fare",
        "photo_brightness",
        "review",
    }


def test_an_empty_log(baseline: Profile, tmp_path: Path) -> None:
    message = (
        "artifacts/taxi/serving_log: no request is logged in *.tfrecord.gz. Expected the log that `tensorline serve` writes; "
        "let it answer some requests, with logging on."
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        profile_log(tmp_path / "none", "artifacts/taxi/serving_log", baseline, DATA, INPUTS)
