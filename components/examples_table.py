"""Reads an Examples artifact: its records in batches of bounded size, and its columns as Arrow tables."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import google_crc32c

from components.errors import TensorlineError

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2

MAX_BATCH_BYTES = 32 * 2**20
"""A batch holds no more, however large the records are, unless a single record does."""

_HEADER = struct.Struct("<QI")  # length of the record, masked CRC-32C of the length; the record's own follows it
_FOOTER = struct.Struct("<I")


def read_serialized(folder: Path, split: str, batch_size: int = 8192) -> Iterator[list[bytes]]:
    """Yields the serialized tf.Examples of a split, in the order of its files, in batches that end at `batch_size` records
    or at MAX_BATCH_BYTES, whichever comes first: 8,192 photographs would be gigabytes.

    Raises: TensorlineError if a file is damaged.
    """
    return read_files(sorted((folder / f"Split-{split}").iterdir()), batch_size)


def read_files(paths: Iterable[Path], batch_size: int = 8192, max_bytes: int | None = None) -> Iterator[list[bytes]]:
    """Likewise of any TFRecord files, gzip where they are called .gz, or plain; `max_bytes` None: MAX_BATCH_BYTES.

    Raises: TensorlineError if a file is damaged.
    """
    batch: list[bytes] = []
    size_bytes = 0
    limit_bytes = MAX_BATCH_BYTES if max_bytes is None else max_bytes
    for path in paths:
        for record in _records(path):
            if batch and (len(batch) == batch_size or size_bytes + len(record) > limit_bytes):
                yield batch
                batch, size_bytes = [], 0
            batch.append(record)
            size_bytes += len(record)
    if batch:
        yield batch


def _records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file, gzip or plain; in Python, since TensorFlow's reader can't batch by size."""
    with _open(path) as file:
        read = file.read
        index = 0
        while header := read(_HEADER.size):
            if not _is_intact(header):
                raise TensorlineError(f"{path}: the frame of record {index} is damaged: rebuild the file.")
            record = read(_HEADER.unpack(header)[0])
            footer = read(_FOOTER.size)
            if len(footer) < _FOOTER.size or _FOOTER.unpack(footer)[0] != _masked_checksum(record):
                raise TensorlineError(f"{path}: record {index} is damaged, its checksum differs: rebuild the file.")
            yield record
            index += 1


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        import gzip

        return cast("BinaryIO", gzip.open(path))
    return path.open("rb", buffering=2**18)


@lru_cache(maxsize=1 << 16)  # lengths repeat
def _is_intact(header: bytes) -> bool:
    return len(header) == _HEADER.size and _HEADER.unpack(header)[1] == _masked_checksum(header[:8])


def _masked_checksum(data: bytes) -> int:
    """CRC-32C as TFRecord stores it: rotated right by 15 bits, plus a constant, modulo 2**32."""
    checksum: int = google_crc32c.value(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def decode(serialized: list[bytes], schema: schema_pb2.Schema | None = None) -> pa.RecordBatch:
    """tf.Examples as columns; see `read_table`."""
    from tfx_bsl.cc.tfx_bsl_extension.coders import ExamplesToRecordBatchDecoder

    decoder = ExamplesToRecordBatchDecoder(schema.SerializeToString() if schema is not None else None)
    batch: pa.RecordBatch = decoder.DecodeBatch(serialized)
    return batch


def read_table(folder: Path, split: str, schema: schema_pb2.Schema | None = None) -> pa.Table:
    """All examples of a split; a column is a list per example, null where the feature is missing.

    Args:
        folder: Folder of the Examples artifact.
        split: Name of the split.
        schema: Limits and types the columns; None takes them as they come.
    """
    import pyarrow as pa

    batches = [pa.Table.from_batches([decode(batch, schema)]) for batch in read_serialized(folder, split)]
    return pa.concat_tables(batches, promote_options="default")
