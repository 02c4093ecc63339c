"""Reads one CSV file: blocks of raw text for the fast path, and record by record to tell where a bad one stands.

Arrow parses; Python's csv module walks the file only where a message or rejects.csv needs the true line of a record. Both
take RFC 4180 with LF, CR LF or CR line ends, skip empty lines, and allow line ends within quotes.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TextIO

import pyarrow as pa
import pyarrow.csv

from components.errors import UserError
from components.ingest.kinds import Kind
from components.ingest.source import BLOCK_BYTES, MARKS, Block, Located, Malformed, indices_of, is_text

_END = "end of the file"


@dataclass(frozen=True)
class Ragged:
    """A record with too few or too many fields; `index` counts the file's records from 0, ragged ones among them."""

    index: int
    num_fields: int


@dataclass
class CsvSource:
    """One CSV file.

    Attributes:
        path: The file, as messages show it.
        delimiter: Between fields.
        encoding: Of the text.
        null_values: Texts that are read as missing.
        ragged: The ragged records that the last `blocks()` has met so far.
    """

    path: Path
    delimiter: str
    encoding: str
    null_values: Sequence[str]
    ragged: list[Ragged] = field(default_factory=list)
    unit: Literal["line", "row"] = "line"
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    measured: frozenset[str] = frozenset()

    @property
    def malformed(self) -> list[Malformed]:
        """The ragged records that the last `blocks()` has met so far."""
        expected = f"{len(self.header)}, as the header has"
        return [Malformed(ragged.index, "ragged", f"{ragged.num_fields} fields", expected) for ragged in self.ragged]

    @cached_property
    def header(self) -> list[str]:
        """Names of the columns, without whitespace around them.

        Raises: UserError if the file holds none, or they are no names.
        """
        return [name.strip() for name in self._raw_header]

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """The file's records, but for the ragged ones, which go to `ragged`.

        Args:
            columns: Those wanted; None stands for all.

        Raises: UserError if the file can't be read: damaged gzip, a quote that never closes, an undecodable file.
        """
        names = dict(zip(self._raw_header, self.header, strict=True))
        wanted = [raw for raw, name in names.items() if columns is None or name in columns]
        ragged: list[Ragged] = []
        self.ragged = ragged
        num_rows, last = 0, None
        with self._reading():
            marked = not self._is_valid_utf8
            for batch in self._open_arrow(wanted, ragged, marked=marked):
                arrays = dict(zip([names[raw] for raw in wanted], batch.columns, strict=True))
                yield Block(num_rows, arrays, batch.num_rows, marked)
                num_rows += batch.num_rows
                last = batch.column(batch.num_columns - 1)[-1].as_py() if batch.num_rows else last
        # A quote that never closes swallows the rest of the file into one last value.
        if (ragged and ragged[-1].index == num_rows + len(ragged) - 1) or (last and (b"\n" in last or b"\r" in last)):
            self._check_closed()

    def locate(self, indices: Sequence[int]) -> Iterator[Located]:
        """The records with these indices (from 0, ragged ones counted too), which must be sorted."""
        wanted = iter(indices)
        index = next(wanted, None)
        for position, located in enumerate(self._records()):
            if index is None:
                return
            if position == index + 1:  # the header comes first
                yield Located(located.line, [self._shown(value) for value in located.fields], self._shown(located.text))
                index = next(wanted, None)

    def indices_of(self, rows: Sequence[int]) -> list[int]:
        """The indices of records, ragged ones counted, from their rows in the blocks."""
        return indices_of(self, rows)

    def _open_arrow(self, wanted: Sequence[str], ragged: list[Ragged], *, marked: bool) -> Iterator[pa.RecordBatch]:
        def note(row: pyarrow.csv.InvalidRow) -> str:
            ragged.append(Ragged(row.number - 2, row.actual_columns))  # numbers start at 1, with the header
            return "skip"

        if marked:
            stream = pa.PythonFile(io.BufferedReader(_AsUtf8(self._open_text()), 1 << 20), mode="r")
        else:
            stream = pa.input_stream(str(self.path), compression="gzip" if self._is_gzip() else None)
        with stream:
            yield from pyarrow.csv.open_csv(
                stream,
                # One thread, since only then records have numbers. The work on blocks runs in parallel.
                pyarrow.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
                pyarrow.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=note),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(wanted, pa.binary()),
                    include_columns=list(wanted),
                    null_values=list(self.null_values),
                    strings_can_be_null=True,
                ),
            )

    @cached_property
    def _raw_header(self) -> list[str]:
        located = next(self._records(), None)
        if located is None:
            raise UserError(f"{self.path}: the file is empty. Expected a line with the names of the columns. Remove the file.")
        seen: set[str] = set()
        for number, raw in enumerate(located.fields, start=1):
            name = raw.strip()
            problem = (
                f"column {number} has no name"
                if not name
                else f"two columns are named {name!r}"
                if name in seen
                else f"the name of column {number} is not valid {self.encoding}"
                if not is_text(name)
                else None
            )
            if problem:
                raise UserError(
                    f"{self.path}:{located.line}: {problem}. Expected a header with a name for each column, "
                    "each different. Mend the header."
                )
            seen.add(name)
        return located.fields

    def _records(self) -> Iterator[Located]:
        """The header and every record, with their lines.

        Raises: UserError if the file can't be read, or at a quote that never closes.
        """
        csv.field_size_limit(sys.maxsize)
        taken: list[str] = []
        with self._reading(), self._open_text() as text:

            def lines() -> Iterator[str]:
                for line in itertools.chain(text, [_END]):
                    taken.append(line)
                    yield line.replace("\0", "\ufffd")  # Python 3.10's csv refuses NUL

            line_number = 1
            for fields in csv.reader(lines(), delimiter=self.delimiter):
                if taken[-1] is _END:
                    if len(taken) == 1:
                        return
                    raise UserError(
                        f"{self.path}:{line_number}: a quote opens in this record and is never closed. Expected its closing "
                        "quote before the end of the file. Mend the record."
                    )
                if fields:
                    yield Located(line_number, fields, "".join(taken).rstrip("\r\n"))
                line_number += len(taken)
                taken.clear()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Tells in our words what is wrong with the file."""
        try:
            yield
        except (pa.ArrowInvalid, pa.ArrowKeyError, OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            if isinstance(error, pa.ArrowInvalid):
                self._check_closed()
            raise UserError(f"{self.path}: cannot be read: {error}. Expected a CSV file. Mend or remove the file.") from error

    def _check_closed(self) -> None:
        """Raises a UserError if a quote never closes, or if a record is too long."""
        for located in self._records():
            if len(located.text) > BLOCK_BYTES:
                raise UserError(
                    f"{self.path}:{located.line}: the record is longer than {BLOCK_BYTES >> 20} MiB. Expected a shorter one. "
                    "Is a quote opened and not closed?"
                )

    def _shown(self, value: str) -> str:
        """The value with undecodable bytes spelled out."""
        if is_text(value):
            return value
        return value.encode(self.encoding, "surrogateescape").decode(self.encoding, "backslashreplace")

    @cached_property
    def _is_valid_utf8(self) -> bool:
        """Whether Arrow can read the file as it is."""
        if codecs.lookup(self.encoding).name not in ("utf-8", "utf-8-sig"):
            return False
        decoder = codecs.getincrementaldecoder("utf-8")()
        with self._open_bytes() as file:
            try:
                while chunk := file.read(1 << 20):
                    decoder.decode(chunk)
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                return False
        return True

    def _is_gzip(self) -> bool:
        return self.path.suffix == ".gz"

    def _open_bytes(self) -> Any:
        return gzip.open(self.path) if self._is_gzip() else self.path.open("rb")

    def _open_text(self) -> TextIO:
        """The text, with line ends as they stand there and bytes that are no text as lone surrogates."""
        text = io.TextIOWrapper(self._open_bytes(), self.encoding, errors="surrogateescape", newline="")
        if text.read(1) != "\ufeff":  # the byte order mark is no part of the first name
            text.seek(0)
        return text


class _AsUtf8(io.RawIOBase):
    """A text as valid UTF-8, for Arrow, which reads nothing else: undecodable bytes become characters with `MARKS`."""

    def __init__(self, text: TextIO) -> None:
        self._text = text

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # A character takes four bytes at most. The lone surrogates that stand for undecodable bytes begin with ED B2 or ED B3,
        # as nothing else does.
        content = self._text.read(len(buffer) // 4).encode("utf-8", "surrogatepass")
        content = content.replace(b"\xed\xb2", MARKS[0]).replace(b"\xed\xb3", MARKS[1])
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._text.close()
        super().close()
