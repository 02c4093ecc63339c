"""Writes a table batch by batch, as Parquet, CSV or JSON Lines, under another name until it is whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from components.errors import UserError


class Writer(Protocol):
    """Takes the table."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""

    def close(self) -> None:
        """Completes the file."""


class _Parquet:
    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(file, schema, compression="zstd")

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def close(self) -> None:
        self._writer.close()


class _Csv:
    """Lists stand there as JSON."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._schema = pa.schema([(each.name, pa.string() if pa.types.is_list(each.type) else each.type) for each in schema])
        self._writer = pyarrow.csv.CSVWriter(
            file, self._schema, write_options=pyarrow.csv.WriteOptions(quoting_style="needed")
        )

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [
            pa.array([json.dumps(_plain(value)) for value in column.to_pylist()], pa.string())
            if pa.types.is_list(column.type)
            else column
            for column in batch.columns
        ]
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    """Missing values, and numbers that are none, are null."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._file = file

    def write(self, batch: pa.RecordBatch) -> None:
        lines = (json.dumps(_plain(row), ensure_ascii=False) for row in batch.to_pylist())
        self._file.write("".join(f"{line}\n" for line in lines).encode())

    def close(self) -> None:
        """Nothing is left to write."""


_WRITERS: dict[str, type[_Parquet | _Csv | _JsonLines]] = {".parquet": _Parquet, ".csv": _Csv, ".jsonl": _JsonLines}


def check_output(path: Path) -> None:
    """Raises a UserError unless a table can be written there."""
    if path.suffix not in _WRITERS:
        raise UserError(f"--output: {path} ends in {path.suffix or 'nothing'!r}. Expected one of: {', '.join(_WRITERS)}.")
    if path.is_dir():
        raise UserError(f"--output: {path} is a folder. Expected the name of a file in it.")


class Output:
    """A table that stands under its name once it is whole, and not before; use as a context.

    Attributes:
        num_rows: Written so far.

    Args:
        path: Whose ending tells the format.
        schema: Of the table.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.num_rows = 0
        self._path = path
        self._schema = schema
        self._partial = partial_name(path)
        path.parent.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Output:
        self._file = self._partial.open("wb")
        self._writer: Writer = _WRITERS[self._path.suffix](self._file, self._schema)
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows of the table's schema."""
        self._writer.write(batch)
        self.num_rows += batch.num_rows

    def publish(self) -> None:
        """Completes the file and gives it its name."""
        self._writer.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.replace(self._path)

    def __exit__(self, *_: object) -> None:
        if not self._file.closed:
            self._writer.close()  # a Parquet writer wants to write its end, also of what is thrown away
            self._file.close()
        self._partial.unlink(missing_ok=True)


def partial_name(path: Path) -> Path:
    """Where a file stands until it is whole: beside it, so that renaming is all that is left to do."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def _plain(value: Any) -> Any:
    """JSON knows neither NaN nor infinity."""
    if isinstance(value, float):
        return value if value - value == 0.0 else None
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return {name: _plain(each) for name, each in value.items()} if isinstance(value, dict) else value
