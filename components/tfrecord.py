"""Counts the records of TFRecord files by their framing alone, without TensorFlow."""

from __future__ import annotations

import mmap
import os
import struct
from functools import lru_cache
from pathlib import Path

from components.errors import TensorlineError

_LENGTH = struct.Struct("<Q")
_HEADER_BYTES = 12  # the length of the record, and the checksum of the length
_FRAME_BYTES = 16  # likewise, and the checksum of the record


def count_records(path: Path) -> int:
    """Number of records in a TFRecord file, gzip or plain.

    Raises: TensorlineError if the file ends within a record.
    """
    if path.suffix == ".gz":
        import gzip

        with gzip.open(path) as file:
            return _walk(path, file.read())
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return 0  # which can't be mapped
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _walk(path, content)


def _walk(path: Path, content: bytes | mmap.mmap) -> int:
    size, length_at = len(content), _LENGTH.unpack_from
    offset = num_records = 0
    while offset + _HEADER_BYTES <= size:
        offset += _FRAME_BYTES + length_at(content, offset)[0]
        num_records += 1
    if offset != size:
        damaged = f"at byte {offset if offset < size else size}"
        raise TensorlineError(f"{path}: ends within a record, {damaged}. The file is damaged: rebuild it.")
    return num_records


def count_split(folder: Path, split: str) -> int:
    """Number of records in all files of one split of an Examples artifact."""
    return sum(_count_once(path, _version(path)) for path in sorted((folder / f"Split-{split}").iterdir()))


def _version(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


@lru_cache(maxsize=4096)
def _count_once(path: Path, version: tuple[int, int, int]) -> int:
    """A stage asks several times for the records of its inputs."""
    return count_records(path)
