"""Writes TFRecord files: a record framed by its length, and the masked CRC-32C of each. Plain, not compressed."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

HEADER_BYTES, FOOTER_BYTES = 12, 4
"""Of a record's frame, in front of it and behind it."""


def frame(records: pa.Array) -> pa.Array:
    """Each record with its frame, ready to be written one after the other; binary, [records]."""
    content, positions = content_of(records)
    sums = checksums(bytes(content), positions[:-1], positions[1:])
    footers = pa.array(mask(sums)).view(pa.binary(4)).cast(pa.binary())
    lengths = pc.binary_length(records).dictionary_encode()
    headers = pa.array([header(length) for length in lengths.dictionary.to_pylist()], pa.binary())
    return pc.binary_join_element_wise(headers.take(lengths.indices), records, footers, b"")


def checksums(content: bytes, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """CRC-32C of the records that lie there; uint32, [records]."""
    value = google_crc32c.value  # takes nothing but bytes, of which slices cost less than a copy of each from Arrow
    return np.array([value(content[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)], "<u4")


@lru_cache(maxsize=1 << 16)
def header(num_bytes: int) -> bytes:
    """What stands before a record of so many bytes."""
    length = struct.pack("<Q", num_bytes)
    return length + mask(np.array([google_crc32c.value(length)], "<u4")).tobytes()


def mask(checksums: np.ndarray) -> np.ndarray:
    """TFRecord's mask: rotated right by 15 bits, plus a constant, modulo 2**32."""
    return (checksums >> np.uint32(15) | checksums << np.uint32(17)) + np.uint32(0xA282EAD8)


def content_of(values: pa.Array) -> tuple[memoryview, np.ndarray]:
    """The bytes of a binary array end to end, and where each value starts and the last one ends."""
    _, offsets, content = values.buffers()
    positions = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    return memoryview(content if content is not None else b""), positions


def deal(rows: np.ndarray, num_shards: int) -> list[np.ndarray]:
    """Successive records of a split, one part for each shard: the first part goes to the shard whose turn it is, and so on."""
    return [rows[first::num_shards] for first in range(num_shards)]


def append(file: BinaryIO, framed: pa.Array) -> None:
    """Writes records that `frame` made to a file."""
    content, offsets = content_of(framed)
    file.write(content[offsets[0] : offsets[-1]])


class ShardWriter:
    """Writes one split as `data-00000-of-0000N.tfrecord` and so on, or under another name than `data`.

    Records go round: record i of the split to shard i modulo N. So shards are even, the order depends on the input alone,
    and each shard is a sample of the whole file, also where that is sorted; reading one record of each shard in turn gives
    back the order of the input.

    Args:
        folder: Where to write; made if missing.
        num_shards: Number of files; all are made, even if there are fewer records.
        name: How the files' names begin.

    Attributes:
        num_records: Written so far.
    """

    def __init__(self, folder: Path, num_shards: int, name: str = "data") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = [folder / f"{name}-{index:05d}-of-{num_shards:05d}.tfrecord" for index in range(num_shards)]
        for path in self._paths:
            path.write_bytes(b"")
        self.num_shards = num_shards
        self.num_records = 0

    def write(self, framed: pa.Array) -> None:
        """Appends records that `frame` made."""
        parts = [framed.take(pa.array(dealt)) for dealt in deal(np.arange(len(framed)), self.num_shards)]
        contents = map(content_of, parts)
        self.write_dealt([content[offsets[0] : offsets[-1]] for content, offsets in contents], len(framed))

    def write_dealt(self, parts: Sequence[memoryview], num_records: int) -> None:
        """Appends framed records that `deal` has dealt out already, laid end to end: one part for each shard."""
        for index, part in enumerate(parts):
            if part:
                # Opened for each block, so that ten thousand shards need no ten thousand file handles.
                with self._paths[(self.num_records + index) % self.num_shards].open("ab") as file:
                    file.write(part)
        self.num_records += num_records
