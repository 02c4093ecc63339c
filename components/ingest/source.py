"""What every format's reader gives: blocks of records with their place in the file, whatever the format.

A reader knows one file. Its columns hold either the text of the values (binary), from which kinds are inferred and values
read, as CSV has it, or the values themselves (int64, float64), where the format knows types.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from components.errors import UserError
from components.ingest.kinds import Kind

if TYPE_CHECKING:
    from components.ingest.image_column import ImageColumn

Rule = Literal[
    "ragged",
    "json",
    "nested",
    "missing_file",
    "image",
    "pixels",
    "animated",
    "encoding",
    "type",
    "empty",
    "overlong",
    "nonfinite",
    "label",
    "split",
    "time",
    "duplicate",
]
"""In the order in which a record is checked; one that breaks several is counted under the first."""
BLOCK_BYTES = 4 << 20
"""Read at once, about; no record of a text may be longer."""
MARKS = (b"\xf4\x8f\xbe", b"\xf4\x8f\xbf")
"""How characters begin that stand for undecodable bytes in marked blocks: U+10FF80 to U+10FFFF, which no text uses."""


@dataclass(frozen=True)
class Block:
    """Successive records of one file.

    Attributes:
        first_row: How many records of the file came before, malformed ones not counted.
        columns: Name in the file → text or images (binary) or values (int64, float64; null if there are none), [records].
        num_records: Length of every column.
        marked: Whether undecodable bytes stand there as `MARKS`; if not, there are none.
        images: Name in the file → what was measured of its images, of the columns of images.
    """

    first_row: int
    columns: dict[str, pa.Array]
    num_records: int
    marked: bool = False
    images: Mapping[str, ImageColumn] = field(default_factory=dict)


@dataclass(frozen=True)
class Located:
    """A record found again in its file.

    Attributes:
        line: On which it starts, from 1; in formats without lines, its row.
        fields: Its values as they stand there, in the header's order.
        text: The record as it stands there, without its line end.
        file: That holds the record alone, in the folder or archive that is the source; nothing where the source is the file.
    """

    line: int
    fields: list[str]
    text: str
    file: str = ""


@dataclass(frozen=True)
class Malformed:
    """A record that stands in no block, since it can't be read as one.

    Attributes:
        index: Counts the file's records from 0, malformed ones among them.
        rule: What it breaks.
        problem: What is wrong.
        expected: What it should have been.
        column: Name in the file of the column that is to blame, or nothing.
        value: What that holds.
        fix: What to do, beside setting such rows aside.
    """

    index: int
    rule: Rule
    problem: str
    expected: str
    column: str = ""
    value: str = ""
    fix: str = "Fix the file"


class Source(Protocol):
    """One file of any format."""

    @property
    def path(self) -> Path:
        """The file, as messages show it."""

    @property
    def unit(self) -> Literal["line", "row"]:
        """What `Located.line` counts."""

    @property
    def header(self) -> list[str]:
        """Names of the columns.

        Raises: UserError if the file has none, or they are no names.
        """

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """Name in the file → kind, of the columns whose kind the format knows; that of others is inferred from their text."""

    @property
    def measured(self) -> frozenset[str]:
        """Columns that were measured of other columns or tell where a record lies: they have no say in its split."""

    @property
    def malformed(self) -> Sequence[Malformed]:
        """The records that the last `blocks()` has left out so far, in the file's order: all before its last block."""

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """The file's records, but for the malformed ones.

        Args:
            columns: Those wanted; None stands for all.

        Raises: UserError if the file can't be read.
        """

    def locate(self, indices: Sequence[int]) -> Iterator[Located]:
        """The records with these indices (from 0, malformed ones counted too), which must be sorted."""


@runtime_checkable
class Encoded(Protocol):
    """A source of text."""

    @property
    def encoding(self) -> str:
        """Of the text, declared or found."""


def indices_of(source: Source, rows: Sequence[int]) -> list[int]:
    """The indices of records, malformed ones counted, from their rows in the blocks."""
    # Before the k-th malformed record stand index - k others: those are the rows that come before it.
    rows_before = np.array([malformed.index - number for number, malformed in enumerate(source.malformed)], np.int64)
    return (np.asarray(rows, np.int64) + np.searchsorted(rows_before, rows, side="right")).tolist()


def check_names(where: str, names: Sequence[str], fix: str) -> None:
    """Raises a UserError unless every column has a name, each a different one."""
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        problem = (
            f"column {number} has no name"
            if not name.strip()
            else f"two columns are named {name!r}"
            if name in seen
            else f"the name of column {number} is no valid text"
            if not is_text(name)
            else None
        )
        if problem:
            raise UserError(f"{where}: {problem}. Expected a name for each column, each different. {fix}")
        seen.add(name)


def is_text(value: str) -> bool:
    """Whether the value holds no lone surrogate, as undecodable bytes become."""
    return not any("\ud800" <= character <= "\udfff" for character in value)
