"""Reads one file of JSON Lines: an object a line, whose keys are the columns. Always UTF-8; `.gz` is gzip.

Numbers are kept as the text that stands there, so that they are read, and shown, as those of a CSV; true and false are 1
and 0. A first pass over the file finds the keys and the kinds of their values. Empty lines are skipped.
"""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from components.errors import UserError
from components.ingest.kinds import Kind, unify
from components.ingest.source import BLOCK_BYTES, Block, Located, Malformed, check_names, is_text
from components.ingest.typed import kind_of_type
from components.ingest.values import infer

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NAN = b"NaN"
_BOOLEANS: dict[Any, bytes] = {True: b"1", False: b"0"}
# Bytes are numbers, tuples are objects: strings and lists are what they are.
_DECODER = json.JSONDecoder(
    parse_int=str.encode,
    parse_float=str.encode,
    parse_constant=str.encode,  # NaN, Infinity and -Infinity, which Python writes
    object_pairs_hook=tuple,
)


@dataclass(frozen=True)
class _Chunk:
    """Successive lines: the good records by key, and the malformed ones."""

    records: list[dict[str, Any]]
    malformed: list[Malformed]


@dataclass
class JsonlSource:
    """One file of JSON Lines.

    Attributes:
        path: The file, as messages show it.
        keep_nan: Columns in which NaN is a value; elsewhere it is missing.
        malformed: See `source.Source`.
    """

    path: Path
    keep_nan: frozenset[str]
    malformed: list[Malformed] = field(default_factory=list)
    unit: Literal["line", "row"] = "line"
    measured: frozenset[str] = frozenset()

    @property
    def header(self) -> list[str]:
        """Every key of the file, in the order of their first records."""
        return list(self.kinds)

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """Key → kind: of strings, or of strings and others, string; of numbers, that which suits them all."""
        kinds: dict[str, Kind] = {}
        first = None
        for lines in self._line_blocks():
            found = _quick_kinds(lines)
            if found is None:
                chunk = _read_lines(lines)
                first = first or next(iter(chunk.malformed), None)
                found = self._careful_kinds(chunk)
            for name, kind in found.items():
                kinds[name] = unify([kinds.get(name, "missing"), kind]) or "string"
        if first and not kinds:
            line, _ = next(self._numbered())
            about = f"column '{first.column}': {first.problem}" if first.column else first.problem
            raise UserError(
                f"{self.path}:{line}: {about}. Expected {first.expected}. No line of the file is good. {first.fix}."
            )
        check_names(str(self.path), list(kinds), "Mend the keys.")
        return kinds

    def _careful_kinds(self, chunk: _Chunk) -> dict[str, Kind]:
        """`kinds` of some lines, record by record."""
        kinds: dict[str, Kind] = {}
        for name in dict.fromkeys(itertools.chain.from_iterable(chunk.records)):
            values = self._values(chunk, name)
            is_text = str in set(map(type, values))
            kinds[name] = "string" if is_text else infer(pa.array(values, pa.binary()).cast(pa.string()))
        return kinds

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """See `source.Source`; every block has a column for every key of the file."""
        wanted = [name for name in self.header if columns is None or name in columns]
        malformed: list[Malformed] = []
        self.malformed = malformed
        num_rows = 0
        for chunk in self._chunks():
            arrays = {name: pa.array(self._values(chunk, name), pa.binary()) for name in wanted}
            malformed += chunk.malformed
            yield Block(num_rows, arrays, len(chunk.records))
            num_rows += len(chunk.records)

    def locate(self, indices: Sequence[int]) -> Iterator[Located]:
        """See `source.Source`."""
        wanted = iter(indices)
        index = next(wanted, None)
        for position, (line, content) in enumerate(self._numbered()):
            if index is None:
                return
            if position == index:
                yield Located(line, self._fields(content), content.decode("utf-8", "backslashreplace").strip())
                index = next(wanted, None)

    def _numbered(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not empty, with their numbers."""
        lines = itertools.chain.from_iterable(self._line_blocks())
        return ((number, content) for number, content in enumerate(lines, start=1) if content.strip())

    def _fields(self, content: bytes) -> list[str]:
        record = _read(content)
        if isinstance(record, Malformed):
            return [""] * len(self.header)
        found = [record.get(name) for name in self.header]
        texts = [_BOOLEANS[value] if type(value) is bool else value or "" for value in found]
        return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]

    def _values(self, chunk: _Chunk, name: str) -> list[Any]:
        """The values of a key: str, bytes for numbers, None."""
        values = [record.get(name) for record in chunk.records]
        types = set(map(type, values))
        if bool in types:
            values = [_BOOLEANS[value] if type(value) is bool else value for value in values]
        if bytes in types and name not in self.keep_nan:
            values = [None if value == _NAN else value for value in values]
        return values

    def _chunks(self) -> Iterator[_Chunk]:
        index = 0
        for lines in self._line_blocks():
            chunk = _read_lines(lines, index)
            index += len(chunk.records) + len(chunk.malformed)
            yield chunk

    def _line_blocks(self) -> Iterator[list[bytes]]:
        """The lines of the file, a few MiB of them at a time.

        Raises: UserError if the file can't be read, or a line is too long.
        """
        rest, num_lines = b"", 0
        try:
            with gzip.open(self.path) if self.path.suffix == ".gz" else self.path.open("rb") as file:
                while content := file.read(BLOCK_BYTES):
                    if num_lines == 0 and not rest:
                        content = content.removeprefix(_BYTE_ORDER_MARK)
                    *lines, rest = (rest + content).split(b"\n")
                    num_lines += len(lines)
                    if len(rest) > BLOCK_BYTES:
                        raise UserError(
                            f"{self.path}:{num_lines + 1}: the line is longer than {BLOCK_BYTES >> 20} MiB. Expected one JSON "
                            "object a line, each shorter. Write every record on a line of its own."
                        )
                    yield lines
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(
                f"{self.path}: cannot be read: {error}. Expected a file of JSON Lines. Mend or remove the file."
            ) from error
        if rest:
            yield [rest]


def _quick_kinds(lines: list[bytes]) -> dict[str, Kind] | None:
    """Key → kind, by Arrow, about ten times as fast; None if Arrow can't read the lines, or might judge otherwise than we."""
    content = b"\n".join(lines)
    if b"NaN" in content:
        return None
    try:
        content.decode()
        options = pyarrow.json.ReadOptions(use_threads=False, block_size=len(content) + 1)
        table = pyarrow.json.read_json(pa.BufferReader(content), options)
    except (pa.ArrowException, UnicodeDecodeError):  # also where a column has values of several types
        return None
    if table.num_rows != sum(1 for line in lines if line.strip()):
        return None
    kinds: dict[str, Kind] = {}
    for column in table.schema:
        kind = kind_of_type(column.type)
        if kind is None:  # nested: such records are malformed
            return None
        if kind == "number" and pc.any(pc.greater_equal(pc.abs(table[column.name]), 2.0**63)).as_py():
            return None  # Arrow makes floats of integers beyond 64 bits
        kinds[column.name] = kind
    return kinds


def _read_lines(lines: list[bytes], first_index: int = 0) -> _Chunk:
    """The records on the lines; the first that is not empty has the index `first_index`."""
    chunk = _Chunk([], [])
    index = first_index
    for content in lines:
        if not content.strip():
            continue
        record = _read(content, index)
        if isinstance(record, Malformed):
            chunk.malformed.append(record)
        else:
            chunk.records.append(record)
        index += 1
    return chunk


def _read(content: bytes, index: int = 0) -> dict[str, Any] | Malformed:
    """The record on a line, or what is wrong with it."""
    expected, fix = "one JSON object a line", "Fix the file"
    try:
        text = content.decode()
        pairs = _DECODER.decode(text)
    except UnicodeDecodeError as error:
        found = repr(content[error.start : error.end])[2:-1]
        return Malformed(index, "encoding", f"'{found}' is not valid utf-8", "utf-8", fix="Write the file as utf-8")
    except json.JSONDecodeError as error:
        return Malformed(index, "json", f"is no JSON: {error.msg}, at character {error.pos + 1}", expected, fix=fix)
    except RecursionError:
        return Malformed(index, "json", "is nested too deep to be read", expected, fix=fix)
    if type(pairs) is not tuple:
        return Malformed(index, "json", f"is {_shown_kind(pairs)}", expected, fix=fix)
    record: dict[str, Any] = dict(pairs)
    if len(record) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in record if names.count(name) > 1)
        return Malformed(index, "json", "the key stands there twice", "every key once", twice, fix=fix)
    types = set(map(type, record.values()))
    if tuple in types or list in types:
        name = next(name for name, value in record.items() if type(value) in (tuple, list))
        return Malformed(
            index,
            "nested",
            f"is {_shown_kind(record[name])}",
            "a number, a string, true, false or null",
            name,
            fix="Give what is in it keys of its own",
        )
    if "\\u" in text:  # only an escape can make a lone surrogate
        for name, value in record.items():
            if not is_text(name) or (type(value) is str and not is_text(value)):
                shown = name.encode("utf-8", "backslashreplace").decode()
                return Malformed(index, "encoding", "holds half a surrogate pair", "whole characters", shown, fix=fix)
    return record


def _shown_kind(value: Any) -> str:
    kinds = {tuple: "an object", list: "a list", str: "a string", bytes: "a number", bool: "true or false"}
    return kinds.get(type(value), "null")
