"""A column of images as blocks hold it: the encoded bytes, and beside them what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from components.ingest.image_batch import Fault, Images
from components.ingest.image_codec import FORMATS
from components.ingest.kinds import Kind
from components.ingest.source import Malformed

IMAGE_MEASURES: dict[str, Kind] = {
    "width": "integer",
    "height": "integer",
    "channels": "integer",
    "format": "string",
    "aspect": "number",
    "brightness": "number",
    "contrast": "number",
    "copies": "integer",
}
"""Suffix of the measured column → its kind."""
_FORMATS = pa.array(FORMATS, pa.string())


@dataclass(frozen=True)
class ImageColumn:
    """What was measured of a block's images: `image_batch.IMAGE`, [records]."""

    table: np.ndarray

    def measured(self) -> Mapping[str, pa.Array]:
        """Suffix of `IMAGE_MEASURES` → values, [records]; all but `copies`, which depend on what came before."""
        table = self.table
        return {
            **{name: pa.array(table[name].astype(np.int64)) for name in ("width", "height", "channels")},
            "format": _FORMATS.take(pa.array(table["format"])),
            "aspect": pa.array(table["width"] / np.maximum(table["height"], 1).astype(np.float64)),
            **{name: pa.array(table[name].astype(np.float64)) for name in ("brightness", "contrast")},
        }


def image_array(images: Images) -> pa.Array:
    """The contents as a binary array, [images], without copying them."""
    offsets = np.zeros(len(images.table) + 1, np.int32)
    np.cumsum(images.table["length"], out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(images.blob)]
    return pa.Array.from_buffers(pa.binary(), len(images.table), buffers)


def to_malformed(fault: Fault, index: int, column: str = "", value: str = "") -> Malformed:
    """What is wrong with the record of this index, because of one of its images."""
    return Malformed(index, fault.rule, fault.problem, fault.expected, column, value, fault.fix)  # type: ignore[arg-type]
