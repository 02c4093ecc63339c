"""The lines of a text file, a few MiB of them at a time, as UTF-8; what is no text is told line by line.

Lines end with LF, CR LF or CR, which are no part of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.errors import UserError
from components.ingest.encodings import UNDECODABLE, Decoder, utf8_chunks
from components.ingest.source import Malformed

MOST_TEXT_BYTES = 64 << 20
"""A longer line or document is refused: a record is held in memory, several times."""
_MARK = UNDECODABLE.encode()
_NUM_SHOWN = 200


@dataclass(frozen=True)
class Lines:
    """Successive lines.

    Attributes:
        first: Number of the first, from 1.
        texts: UTF-8, without line ends.
        problems: Index into `texts` → why that line is no text.
    """

    first: int
    texts: list[bytes]
    problems: dict[int, str]


def read_lines(path: Path, encoding: str) -> Iterator[Lines]:
    """All lines of a file, the empty ones too.

    Raises: UserError if it can't be read, or a line is too long.
    """
    decoder = Decoder(encoding)
    rest, num_lines = b"", 0
    for chunk in utf8_chunks(path, decoder):
        content = rest + chunk
        if b"\r" in content:
            held = b"\r" if content.endswith(b"\r") else b""  # the LF may come with the next bytes
            content = content.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
        cut = content.rfind(b"\n") + 1
        texts, rest = content[:cut].split(b"\n")[:-1], content[cut:]
        if len(rest) > MOST_TEXT_BYTES:
            raise UserError(
                f"{path}:{num_lines + len(texts) + 1}: the line is longer than {MOST_TEXT_BYTES >> 20} MiB. Expected a "
                "record a line. Is it one long text? Then set data.format: sequences, or documents."
            )
        if texts:
            holds_nul = b"\0" in content
            yield Lines(num_lines + 1, texts, _problems(texts, decoder, encoding, holds_nul=holds_nul))
            num_lines += len(texts)
    if rest:
        last = [rest.removesuffix(b"\r")]
        yield Lines(num_lines + 1, last, _problems(last, decoder, encoding, holds_nul=b"\0" in rest))


def _problems(texts: list[bytes], decoder: Decoder, encoding: str, *, holds_nul: bool) -> dict[int, str]:
    problems: dict[int, str] = {}
    for index, text in enumerate(texts) if decoder.undecodable else ():
        if _MARK in text:
            found = [decoder.undecodable.popleft() for _ in range(min(text.count(_MARK), len(decoder.undecodable)))]
            if found:
                problems[index] = found[0].problem(encoding)
    for index, text in enumerate(texts) if holds_nul else ():
        if b"\0" in text:
            problems.setdefault(index, NUL_PROBLEM)
    return problems


NUL_PROBLEM = "holds a NUL character, as binary files and UTF-16 do"


def not_text(index: int, column: str, problem: str, text: str, encoding: str) -> Malformed:
    """A record that is no text; `problem` says where and why."""
    if problem == NUL_PROBLEM:
        return Malformed(index, "encoding", problem, "text", column, shorten(text), "Remove the file if it is no text")
    fix = "Fix the file, or set data.encoding to its own"
    return Malformed(index, "encoding", problem, encoding, column, shorten(text), fix)


def shorten(text: str) -> str:
    """The beginning of a text, for messages and rejects.csv."""
    text = text.replace(UNDECODABLE, "\ufffd")
    return text if len(text) <= _NUM_SHOWN else text[:_NUM_SHOWN] + "…"


def stem(path: Path) -> str:
    """The file's name without its ending, and without `.gz`."""
    name = path.name.removesuffix(".gz")
    return Path(name).stem
