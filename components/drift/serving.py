"""Reads the log of requests: gzip TFRecord files of tf.Examples of raw columns, as `tensorline serve` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.drift.build import plan_like, profile_records
from components.drift.profile import Profile
from components.errors import UserError
from components.examples_table import read_files
from components.ingest.image_batch import Task, process
from components.ingest.image_codec import Limits
from components.ingest.image_column import ImageColumn
from components.ingest.text_column import TextColumn
from components.params.models import DataParams, ImageParams, TextParams
from components.validate.batches import first_values
from components.validate.measured import IMAGE_RANGES, TEXT_RANGES

LOG_FOLDER = "serving_log"
_PATTERN = "*.tfrecord.gz"
"""A file that is still being written has another name."""


def profile_log(folder: Path, shown: str, baseline: Profile, data: DataParams, inputs: Mapping[str, str]) -> Profile:
    """The profile of all requests that are logged.

    Args:
        folder: Of the log.
        shown: The folder's name, for messages.
        baseline: Of the training data; says how each feature is measured.
        data: How images and texts are read; they are measured here as ingest does.
        inputs: Column that the model takes → its kind, as model.json has it.

    Raises: UserError if no request is logged; TensorlineError if a file is damaged.
    """
    files = sorted(folder.glob(_PATTERN))
    images = {name: data.image_columns.get(name, ImageParams()) for name, kind in inputs.items() if kind == "image"}
    texts = {name: data.text_columns.get(name, TextParams()) for name, kind in inputs.items() if kind == "text"}

    def prepare(batch: pa.RecordBatch) -> pa.RecordBatch:
        for name, image in images.items():
            if name in batch.schema.names:
                batch = _append(batch, name, _measure_images(first_values(batch, name), image))
        for name, text in texts.items():
            if name in batch.schema.names:
                values = first_values(batch, name)
                batch = _append(batch, name, TextColumn(name, text).prepare(_as_text(values)).measured)
        return batch

    profile = profile_records(read_files(files), "serving", plan_like(baseline), prepare)
    if not profile.num_records:
        raise UserError(
            f"{shown}: no request is logged in {_PATTERN}. Expected the log that `tensorline serve` writes; let it answer "
            "some requests, with logging on."
        )
    return profile


def comparable(inputs: Mapping[str, str], baseline: Profile) -> set[str]:
    """The features that requests have too: what the model takes, and what the baseline has measured of its images and texts.

    Not the size of an image's file, for ingest may have written it anew.
    """
    measured = {f"{name}_{suffix}" for name, kind in inputs.items() if kind == "image" for suffix in (*IMAGE_RANGES, "format")}
    measured |= {f"{name}_{suffix}" for name, kind in inputs.items() if kind == "text" for suffix in (*TEXT_RANGES, "script")}
    return {name for name, kind in inputs.items() if kind != "image"} | (measured & set(baseline.features))


def _append(batch: pa.RecordBatch, name: str, measured: Mapping[str, pa.Array]) -> pa.RecordBatch:
    """Adds what was measured as columns of lists, as decoded examples have them."""
    for suffix, values in measured.items():
        if f"{name}_{suffix}" not in batch.schema.names:
            kind = pa.large_binary() if pa.types.is_string(values.type) else values.type
            offsets = pa.array(range(len(values) + 1), pa.int64())
            batch = batch.append_column(f"{name}_{suffix}", pa.LargeListArray.from_arrays(offsets, values.cast(kind)))
    return batch


def _measure_images(encoded: pa.Array, params: ImageParams) -> dict[str, pa.Array]:
    """As ingest does; missing of those that it would reject."""
    present = pc.fill_null(encoded, b"").to_pylist()
    limits = Limits(params.max_pixels, params.animated)
    images = process(Task(limits, lengths=[len(each) for each in present], blob=b"".join(present)))
    faulty = pa.array(images.table["length"] == 0)
    measured = ImageColumn(images.table).measured()
    return {name: pc.if_else(faulty, pa.scalar(None, values.type), values) for name, values in measured.items()}


def _as_text(values: pa.Array) -> pa.Array:
    """Strings of what may be no UTF-8."""
    return pa.array([None if value is None else value.decode("utf-8", "replace") for value in values.to_pylist()], pa.string())
