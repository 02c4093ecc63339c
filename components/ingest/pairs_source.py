"""Reads two or more text files that are aligned line by line, as translations are: a line of each makes a record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import pyarrow as pa

from components.errors import UserError
from components.ingest.kinds import Kind
from components.ingest.source import Block, Located, Malformed
from components.ingest.text_lines import Lines, not_text, read_lines, shorten


@dataclass
class PairsSource:
    """Aligned files.

    Attributes:
        paths: Column → file.
        encodings: Column → encoding of its file.
        malformed: See `source.Source`.
    """

    paths: Mapping[str, Path]
    encodings: Mapping[str, str]
    malformed: list[Malformed] = field(default_factory=list)
    unit: Literal["line", "row"] = "line"
    measured: frozenset[str] = frozenset()

    @cached_property
    def path(self) -> Path:
        """The files' names, as messages show them: a line's number is the same in each."""
        first, *others = self.paths.values()
        return Path(" + ".join([str(first), *(path.name if path.parent == first.parent else str(path) for path in others)]))

    @property
    def inputs(self) -> Sequence[Path]:
        """The files that are read."""
        return list(self.paths.values())

    @property
    def encoding(self) -> str:
        """Of all files, those of several in their order."""
        return ", ".join(dict.fromkeys(self.encodings.values()))

    @property
    def header(self) -> list[str]:
        """See `source.Source`."""
        return list(self.paths)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See `source.Source`."""
        return dict.fromkeys(self.paths, "string")

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """See `source.Source`. Raises: UserError also if the files are not equally long."""
        malformed: list[Malformed] = []
        self.malformed = malformed
        num_rows = 0
        for part in self._aligned():
            length = len(next(iter(part.values())).texts)
            bad: dict[int, tuple[str, str]] = {}
            for name, lines in part.items():
                for number, problem in lines.problems.items():
                    bad.setdefault(number, (name, problem))
            for number, (name, problem) in sorted(bad.items()):
                index = num_rows + number + len(malformed) - sum(1 for other in bad if other < number)
                shown = shorten(part[name].texts[number].decode())
                malformed.append(not_text(index, name, problem, shown, self.encodings[name]))
            arrays = {
                name: pa.array(
                    [text for number, text in enumerate(lines.texts) if number not in bad] if bad else lines.texts, pa.binary()
                )
                for name, lines in part.items()
                if columns is None or name in columns
            }
            yield Block(num_rows, arrays, length - len(bad))
            num_rows += length - len(bad)

    def locate(self, indices: Sequence[int]) -> Iterator[Located]:
        """See `source.Source`."""
        remaining = list(reversed(indices))
        for part in self._aligned():
            first = next(iter(part.values())).first
            length = len(next(iter(part.values())).texts)
            while remaining and remaining[-1] + 1 < first + length:
                index = remaining.pop()
                fields = [shorten(lines.texts[index + 1 - first].decode()) for lines in part.values()]
                yield Located(index + 1, fields, "\t".join(fields))
            if not remaining:
                return

    def _aligned(self) -> Iterator[dict[str, Lines]]:
        """The same lines of every file, a few thousand at a time."""
        readers = {name: read_lines(path, self.encodings[name]) for name, path in self.paths.items()}
        held = {name: Lines(1, [], {}) for name in readers}
        while True:
            for name, reader in readers.items():
                if not held[name].texts:
                    held[name] = next(reader, held[name])
            length = min(len(lines.texts) for lines in held.values())
            if not length:
                self._check_ends(held, readers)
                return
            yield {name: _part(lines, 0, length) for name, lines in held.items()}
            held = {name: _part(lines, length, len(lines.texts)) for name, lines in held.items()}

    def _check_ends(self, held: Mapping[str, Lines], readers: Mapping[str, Iterator[Lines]]) -> None:
        """Raises a UserError unless all files have ended."""
        if not any(lines.texts for lines in held.values()):
            return
        counts = {}
        for name, lines in held.items():
            counts[name] = lines.first - 1 + len(lines.texts) + sum(len(more.texts) for more in readers[name])
        short, long = min(counts, key=lambda name: counts[name]), max(counts, key=lambda name: counts[name])
        first = shorten(held[long].texts[0].decode()) if held[long].texts else ""
        raise UserError(
            f"{self.paths[short]}: ends with line {counts[short]:,}, but {self.paths[long]} has {counts[long]:,} lines. "
            f"Expected as many in each, a line of one for a line of the other. The first without a partner is "
            f"{self.paths[long]}:{counts[short] + 1}: {first!r}. Find where they part, and add or remove lines."
        )


def _part(lines: Lines, start: int, end: int) -> Lines:
    if start == 0 and end == len(lines.texts):
        return lines
    problems = {number - start: problem for number, problem in lines.problems.items() if start <= number < end}
    return Lines(lines.first + start, lines.texts[start:end], problems)
