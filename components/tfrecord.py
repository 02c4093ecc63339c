"""Counts the records of TFRecord files by their framing alone, without TensorFlow."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from components.errors import TensorlineError

_HEADER = struct.Struct("<Q4x")  # length of the record, then the checksum of the length
_FOOTER_BYTES = 4


def count_records(path: Path) -> int:
    """Number of records in a TFRecord file, gzip or plain.

    Raises: TensorlineError if the file ends within a record.
    """
    if path.suffix == ".gz":
        import gzip

        with gzip.open(path) as file:
            content = file.read()
        return _walk(path, len(content), lambda offset: content[offset : offset + _HEADER.size])
    size = path.stat().st_size
    with path.open("rb") as raw:
        return _walk(path, size, lambda offset: os.pread(raw.fileno(), _HEADER.size, offset))


def _walk(path: Path, size: int, read_header: Callable[[int], bytes]) -> int:
    offset = num_records = 0
    while offset < size:
        header = read_header(offset)
        if len(header) < _HEADER.size:
            raise TensorlineError(f"{path}: ends within a record, at byte {offset}. The file is damaged: rebuild it.")
        offset += _HEADER.size + _HEADER.unpack(header)[0] + _FOOTER_BYTES
        num_records += 1
    if offset != size:
        raise TensorlineError(f"{path}: ends within a record, at byte {size}. The file is damaged: rebuild it.")
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
