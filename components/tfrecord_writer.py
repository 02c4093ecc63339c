"""Writes TFRecord files: a record framed by its length, and the masked CRC-32C of each. Plain, not compressed."""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def frame(records: pa.Array) -> pa.Array:
    """Each record with its frame, ready to be written one after the other; binary, [records]."""
    checksums = np.fromiter(map(google_crc32c.value, records.to_numpy(zero_copy_only=False)), "<u4", len(records))
    footers = pa.array(_mask(checksums)).view(pa.binary(4)).cast(pa.binary())
    lengths = pc.binary_length(records).dictionary_encode()
    headers = pa.array([_header(length) for length in lengths.dictionary.to_pylist()], pa.binary())
    return pc.binary_join_element_wise(headers.take(lengths.indices), records, footers, b"")


@lru_cache(maxsize=1 << 16)
def _header(num_bytes: int) -> bytes:
    length = struct.pack("<Q", num_bytes)
    return length + _mask(np.array([google_crc32c.value(length)], "<u4")).tobytes()


def _mask(checksums: np.ndarray) -> np.ndarray:
    """TFRecord's mask: rotated right by 15 bits, plus a constant, modulo 2**32."""
    return (checksums >> np.uint32(15) | checksums << np.uint32(17)) + np.uint32(0xA282EAD8)


def _content(values: pa.Array) -> tuple[memoryview, np.ndarray]:
    """The bytes of a binary array end to end, and where each value starts and the last one ends."""
    _, offsets, content = values.buffers()
    positions = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    return memoryview(content if content is not None else b""), positions


def append(file: BinaryIO, framed: pa.Array) -> None:
    """Writes records that `frame` made to a file."""
    content, offsets = _content(framed)
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
    """

    def __init__(self, folder: Path, num_shards: int, name: str = "data") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = [folder / f"{name}-{index:05d}-of-{num_shards:05d}.tfrecord" for index in range(num_shards)]
        for path in self._paths:
            path.write_bytes(b"")
        self.num_records = 0

    def write(self, framed: pa.Array) -> None:
        """Appends records that `frame` made."""
        num_shards = len(self._paths)
        for index, path in enumerate(self._paths):
            part = framed.take(pa.array(np.arange((index - self.num_records) % num_shards, len(framed), num_shards)))
            if len(part):
                # Opened for each block, so that ten thousand shards need no ten thousand file handles.
                with path.open("ab") as file:
                    append(file, part)
        self.num_records += len(framed)
