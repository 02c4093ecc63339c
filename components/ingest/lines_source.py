"""Reads one text file whose lines are the records: labelled by the file's name, as texts by several authors are kept.

Empty lines are skipped, as those of CSV and JSON Lines are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import pyarrow as pa

from components.ingest.kinds import Kind
from components.ingest.source import Block, Located, Malformed
from components.ingest.text_lines import not_text, read_lines, shorten, stem


@dataclass
class LinesSource:
    """One text file; `text` is a line, `source` and `label` are the file's name without its ending.

    Attributes:
        path: The file, as messages show it.
        encoding: Of the text.
        labelled: Whether there is a column `label`.
        malformed: See `source.Source`.
    """

    path: Path
    encoding: str
    labelled: bool
    malformed: list[Malformed] = field(default_factory=list)
    unit: Literal["line", "row"] = "line"
    measured: frozenset[str] = frozenset({"label", "source"})

    @cached_property
    def header(self) -> list[str]:
        """See `source.Source`."""
        return list(self.kinds)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See `source.Source`."""
        return dict.fromkeys(("text", "label", "source") if self.labelled else ("text", "source"), "string")

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """See `source.Source`."""
        name = pa.scalar(stem(self.path).encode())
        malformed: list[Malformed] = []
        self.malformed = malformed
        num_rows = 0
        for lines in read_lines(self.path, self.encoding):
            texts: list[bytes] = []
            for number, text in enumerate(lines.texts) if lines.problems else ():
                if number in lines.problems:
                    index = num_rows + len(texts) + len(malformed)
                    shown = shorten(text.decode())
                    malformed.append(not_text(index, "text", lines.problems[number], shown, self.encoding))
                elif text:
                    texts.append(text)
            if not lines.problems:
                texts = list(filter(None, lines.texts))
            names = pa.repeat(name, len(texts))
            arrays = {"text": pa.array(texts, pa.binary()), "label": names, "source": names}
            wanted = {key: arrays[key] for key in self.header if columns is None or key in columns}
            yield Block(num_rows, wanted, len(texts))
            num_rows += len(texts)

    def locate(self, indices: Sequence[int]) -> Iterator[Located]:
        """See `source.Source`."""
        wanted = iter(indices)
        index = next(wanted, None)
        position = 0
        for lines in read_lines(self.path, self.encoding):
            for number, text in enumerate(lines.texts, start=lines.first):
                if not text:
                    continue
                if position == index:
                    shown = shorten(text.decode())
                    names = [stem(self.path)] * (len(self.header) - 1)
                    yield Located(number, [shown, *names], shown)
                    index = next(wanted, None)
                    if index is None:
                        return
                position += 1
