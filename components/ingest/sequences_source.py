"""Reads one long text as records of some hundred characters, as models that write text learn from.

Successive records make a block, and blocks share no character: whole blocks go to a split, so that what a model is judged on
is nowhere in what it learned from. Blocks are counted from the start, so a record keeps its split when text is appended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa
import regex

from components.ingest.encodings import UNDECODABLE, Decoder, Undecodable, chunks
from components.ingest.graphemes import boundary
from components.ingest.kinds import Kind
from components.ingest.source import BLOCK_BYTES, Block, Located, Malformed
from components.ingest.text_lines import NUL_PROBLEM, not_text, shorten, stem
from components.params.models import SequenceParams

_CLUSTER = regex.compile(r"\X")
_MOST_RECORDS = 1 << 16


@dataclass(frozen=True)
class _Piece:
    """A record: its block, from 0; where it starts in the file, in code points; its text; why it is no text, or nothing."""

    block: int
    start: int
    text: str
    problem: str


@dataclass
class SequencesSource:
    """One text file; `text` is a piece of it, `block` its number, `source` the file's name without its ending.

    Attributes:
        path: The file, as messages show it.
        encoding: Of the text.
        params: How it is cut.
        malformed: See `source.Source`.
    """

    path: Path
    encoding: str
    params: SequenceParams
    malformed: list[Malformed] = field(default_factory=list)
    unit: Literal["line", "row"] = "line"
    measured: frozenset[str] = frozenset({"text"})

    @property
    def header(self) -> list[str]:
        """See `source.Source`."""
        return list(self.kinds)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See `source.Source`."""
        return {"text": "string", "source": "string", "block": "integer"}

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """See `source.Source`."""
        name = pa.scalar(stem(self.path).encode())
        malformed: list[Malformed] = []
        self.malformed = malformed
        num_rows = num_chars = 0
        texts: list[str] = []
        numbers: list[int] = []

        def flush() -> Block:
            arrays = {
                "text": pa.array(texts, pa.string()).cast(pa.binary()),
                "source": pa.repeat(name, len(texts)),
                "block": pa.array(numbers, pa.int64()),
            }
            wanted = {key: array for key, array in arrays.items() if columns is None or key in columns}
            return Block(num_rows, wanted, len(texts))

        for index, piece in enumerate(self._pieces()):
            if piece.problem:
                malformed.append(not_text(index, "text", piece.problem, piece.text, self.encoding))
                continue
            texts.append(piece.text)
            numbers.append(piece.block)
            num_chars += len(piece.text)
            if num_chars >= BLOCK_BYTES or len(texts) >= _MOST_RECORDS:
                yield flush()
                num_rows += len(texts)
                num_chars, texts, numbers = 0, [], []
        yield flush()

    def locate(self, indices: Sequence[int]) -> Iterator[Located]:
        """See `source.Source`."""
        remaining = list(reversed(indices))
        starts: list[_Piece] = []
        for index, piece in enumerate(self._pieces()):
            if not remaining:
                break
            if index == remaining[-1]:
                remaining.pop()
                starts.append(piece)
        lines = self._lines([piece.start for piece in starts])
        for piece, line in zip(starts, lines, strict=True):
            shown = shorten(piece.text)
            yield Located(line, [shown, stem(self.path), str(piece.block)], shown)

    def _lines(self, positions: Sequence[int]) -> Iterator[int]:
        """The lines, from 1, that hold the characters at these positions, which are sorted."""
        remaining = list(reversed(positions))
        num_chars, line = 0, 1
        for text in _texts(self.path, Decoder(self.encoding)):
            start = 0
            while remaining and remaining[-1] < num_chars + len(text):
                end = remaining.pop() - num_chars
                line += _num_line_ends(text[start:end])
                start = end
                yield line
            line += _num_line_ends(text[start:])
            num_chars += len(text)

    def _pieces(self) -> Iterator[_Piece]:
        """The records, in order. Raises: UserError if the file can't be read."""
        length, per_block = self.params.length, self.params.block
        stride = self.params.stride or length
        span = (per_block - 1) * stride + length
        step = max(span, per_block * stride)
        window = _Window(self.path, self.encoding)
        number = start = 0
        while window.reaches(start):
            # Where the next block begins this one ends, but for a stride that leaves text out.
            next_start = window.cut((number + 1) * step)
            block_end = next_start if step == span else window.cut(number * step + span)
            last_first = last_end = -1
            for place in range(per_block):
                nominal = number * step + place * stride
                first = max(window.cut(nominal), start)
                if first >= block_end:
                    break
                end = min(window.cut(nominal + length), block_end)
                if first == last_first:  # a cluster is longer than the stride
                    first = last_end
                    if first >= end:
                        continue
                if end <= first:  # a cluster longer than a record
                    end = window.cluster_end(first)
                last_first, last_end = first, end
                yield _Piece(number, first, window.text(first, end), window.problem(first, end))
                if not window.reaches(end):
                    return
            number, start = number + 1, next_start
            window.start = start


class _Window:
    """The part of a file that is being cut; positions are code points of the whole file.

    Attributes:
        start: What comes before is needed no more; a cluster must begin there.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.start = 0
        self._encoding = encoding
        self._decoder = Decoder(encoding)
        self._texts = _texts(path, self._decoder)
        self._text = ""
        self._first = 0  # position of the text's first character
        self._ended = False
        self._undecodable: dict[int, Undecodable] = {}
        self._holds_nul = False

    def reaches(self, position: int) -> bool:
        """Whether the file has a character there."""
        while not self._ended and position >= self._first + len(self._text):
            more = next(self._texts, None)
            if more is None:
                self._ended = True
                break
            place = more.find(UNDECODABLE) if self._decoder.undecodable else -1
            while place >= 0 and self._decoder.undecodable:
                self._undecodable[self._first + len(self._text) + place] = self._decoder.undecodable.popleft()
                place = more.find(UNDECODABLE, place + 1)
            self._holds_nul = self._holds_nul or "\0" in more
            self._text = self._text[self.start - self._first :] + more
            self._undecodable = {at: found for at, found in self._undecodable.items() if at >= self.start}
            self._first = self.start
        return position < self._first + len(self._text)

    def cut(self, position: int) -> int:
        """The last position up to this one where a cluster begins, or the end of the file."""
        self.reaches(position)
        return self._first + boundary(self._text, position - self._first)

    def cluster_end(self, position: int) -> int:
        """Where the cluster ends that begins there."""
        found = _CLUSTER.match(self._text, position - self._first)
        return self._first + found.end() if found else position

    def text(self, start: int, end: int) -> str:
        """The characters from `start` to `end`."""
        return self._text[start - self._first : end - self._first]

    def problem(self, start: int, end: int) -> str:
        """Why these characters are no text, or nothing."""
        for position in sorted(self._undecodable):
            if start <= position < end:
                return self._undecodable[position].problem(self._encoding)
        return NUL_PROBLEM if self._holds_nul and "\0" in self.text(start, end) else ""


def _texts(path: Path, decoder: Decoder) -> Iterator[str]:
    """The file's text, a few MiB at a time, CR LF never torn apart."""
    held = ""
    for chunk in chunks(path):
        text = held + decoder.decode(chunk)
        held = "\r" if text.endswith("\r") else ""
        yield text.removesuffix("\r")
    yield held + decoder.decode(b"", final=True)


def _num_line_ends(text: str) -> int:
    num_ends = text.count("\n")
    return num_ends + text.count("\r") - text.count("\r\n") if "\r" in text else num_ends
