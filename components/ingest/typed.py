"""Columns that the file has as Arrow or NumPy types: which kinds they are, and their values as blocks hold them.

Shared by the formats that know types; see `parquet_source.py` and `npz_source.py`.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.kinds import Kind
from components.ingest.source import Block, Located, Malformed
from components.ingest.values import as_text


def kind_of_type(arrow_type: pa.DataType) -> Kind | None:
    """The kind of a column of this type, or None if examples can't hold it."""
    types = pa.types
    if types.is_dictionary(arrow_type):
        return kind_of_type(arrow_type.value_type)
    if types.is_integer(arrow_type) or types.is_boolean(arrow_type):
        return "integer"
    if types.is_floating(arrow_type) or types.is_decimal(arrow_type):
        return "number"
    if types.is_string(arrow_type) or types.is_large_string(arrow_type) or types.is_string_view(arrow_type):
        return "string"
    if types.is_timestamp(arrow_type) or types.is_date(arrow_type) or types.is_time(arrow_type):
        return "string"
    return "missing" if types.is_null(arrow_type) else None


def to_column(values: pa.Array, *, keep_nan: bool) -> pa.Array:
    """Values of a type that `kind_of_type` knows as blocks hold them: int64, float64, binary or null.

    Dates and times become ISO 8601, in UTC with a `Z` if they have a time zone. NaN is missing unless `keep_nan`.
    """
    arrow_type = values.type
    if pa.types.is_dictionary(arrow_type):
        return to_column(values.dictionary_decode(), keep_nan=keep_nan)
    if pa.types.is_null(arrow_type):
        return values
    kind = kind_of_type(arrow_type)
    if kind == "number":
        numbers = pc.cast(values, pa.float64())
        return numbers if keep_nan else pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    if kind == "integer" and arrow_type != pa.uint64():
        return pc.cast(values, pa.int64())
    if pa.types.is_timestamp(arrow_type):
        # Through integers, since a cast would give the zone's local time; and an instant needs no table of zones.
        utc = values.cast(pa.int64()).cast(pa.timestamp(arrow_type.unit))
        values = pc.strftime(utc, format="%Y-%m-%dT%H:%M:%S" + ("" if arrow_type.tz is None else "Z"))
    elif pa.types.is_date64(arrow_type):
        values = pc.cast(values, pa.date32())
    text = pc.cast(values, pa.string())  # of unsigned integers too: those beyond 64 bits with sign are told with their value
    if pa.types.is_timestamp(arrow_type) or pa.types.is_time(arrow_type):
        text = pc.replace_substring_regex(text, r"(\.\d*?)0+(Z?)$", r"\1\2")
        text = pc.replace_substring_regex(text, r"\.(Z?)$", r"\1")
    return pc.cast(text, pa.binary())


@dataclass
class TypedSource(ABC):
    """One file of a format that knows types and has no lines: every record can be read as one.

    Attributes:
        path: The file, as messages show it.
        keep_nan: Columns in which NaN is a value; elsewhere it is missing.
    """

    path: Path
    keep_nan: frozenset[str]
    malformed: Sequence[Malformed] = ()
    unit: Literal["line", "row"] = "row"
    measured: frozenset[str] = frozenset()

    @property
    @abstractmethod
    def kinds(self) -> Mapping[str, Kind]:
        """See `source.Source`."""

    @abstractmethod
    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """See `source.Source`."""

    @property
    def header(self) -> list[str]:
        """See `source.Source`."""
        return list(self.kinds)

    def locate(self, indices: Sequence[int]) -> Iterator[Located]:
        """See `source.Source`; `line` is the row, from 1, and `text` a JSON object."""
        remaining = list(reversed(indices))
        shown = [name for name in self.header if self.kinds[name] != "bytes"]
        for block in self.blocks(shown):
            texts = None
            while remaining and remaining[-1] < block.first_row + block.num_records:
                if texts is None:
                    texts = {name: as_text(block.columns[name]) for name in shown}
                index = remaining.pop()
                fields = {name: column[index - block.first_row].as_py() for name, column in texts.items()}
                text = json.dumps(fields, ensure_ascii=False)
                yield Located(index + 1, [fields.get(name) or "" for name in self.header], text)
            if not remaining:
                return
