"""Reads one Parquet file, some thousand rows at a time: numbers, booleans, strings, dates, times, dictionaries of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

import pyarrow as pa
import pyarrow.parquet as pq

from components.errors import UserError
from components.ingest.kinds import Kind
from components.ingest.source import BLOCK_BYTES, Block, check_names
from components.ingest.typed import TypedSource, kind_of_type, to_column

_MOST_ROWS = 1 << 16


class ParquetSource(TypedSource):
    """One Parquet file; see `typed.TypedSource`."""

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """Name → kind, as the file's schema says.

        Raises: UserError if the file can't be read, or a column is of a type that examples can't hold.
        """
        with self._reading(), pq.ParquetFile(self.path) as file:
            schema = file.schema_arrow
        check_names(str(self.path), schema.names, "Rename the columns.")
        kinds: dict[str, Kind] = {}
        for column in schema:
            kind = kind_of_type(column.type)
            if kind is None:
                raise UserError(
                    f"{self.path}: column {column.name!r} is of the type {column.type}. Expected numbers, booleans, strings, "
                    f"dates or times. {_fix(column.type)}"
                )
            kinds[column.name] = kind
        return kinds

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """See `source.Source`."""
        wanted = [name for name in self.header if columns is None or name in columns]
        num_rows = 0
        with self._reading(), pq.ParquetFile(self.path) as file:
            num_bytes = sum(file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups))
            row_bytes = num_bytes // max(1, file.metadata.num_rows) + 1
            batch_size = min(_MOST_ROWS, BLOCK_BYTES // row_bytes + 1)
            for batch in file.iter_batches(batch_size, columns=wanted):
                batch.validate(full=True)  # a writer may have put anything into strings
                arrays = {name: to_column(batch.column(name), keep_nan=name in self.keep_nan) for name in wanted}
                yield Block(num_rows, arrays, batch.num_rows)
                num_rows += batch.num_rows

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Tells in our words what is wrong with the file."""
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise UserError(
                f"{self.path}: cannot be read: {error}. Expected a Parquet file. Mend or remove the file."
            ) from error


def _fix(arrow_type: pa.DataType) -> str:
    if pa.types.is_nested(arrow_type):
        return "Write what is in it as columns of their own, or leave the column out of the file."
    return "Cast it before the file is written, or leave the column out of it."
