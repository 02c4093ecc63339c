"""Reads an Examples artifact as Arrow tables: columns all the way, no example at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from tensorflow_metadata.proto.v0 import schema_pb2


def read_serialized(folder: Path, split: str, batch_size: int = 8192) -> Iterator[list[bytes]]:
    """Yields the serialized tf.Examples of a split, in the order of its files, `batch_size` at a time."""
    import tensorflow as tf

    files = sorted(str(path) for path in (folder / f"Split-{split}").iterdir())
    compression = "GZIP" if files and files[0].endswith(".gz") else ""
    for batch in tf.data.TFRecordDataset(files, compression_type=compression).batch(batch_size).as_numpy_iterator():
        yield list(batch)


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
