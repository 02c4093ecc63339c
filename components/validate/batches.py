"""Columns of an Examples artifact in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from components.examples_table import decode, read_serialized


def read_batches(examples: Path, split: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yields (number of the batch's first record within the split, columns as `examples_table.decode` gives them)."""
    first = 0
    for serialized in read_serialized(examples, split):
        yield first, decode(serialized)
        first += len(serialized)


def first_values(batch: pa.RecordBatch | pa.Table, name: str) -> pa.Array:
    """The first value of each record; null where the feature is missing, and everywhere if the batch does not have it."""
    if name not in batch.schema.names or pa.types.is_null(batch.schema.field(name).type):
        return pa.nulls(batch.num_rows)
    column = batch.column(name)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return pc.list_element(pc.if_else(pc.equal(pc.list_value_length(column), 0), None, column), 0)
