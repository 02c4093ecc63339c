"""Encodings of text files: found where that is asked for, and read as UTF-8, with every undecodable byte located."""

from __future__ import annotations

import codecs
import gzip
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa

from components.errors import UserError

AUTO = "auto"
"""The value of `data.encoding` that asks for the encoding to be found."""
UNDECODABLE = "\U0010ff80"
"""Stands in a decoded text for bytes that are no text; see `source.MARKS`."""
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GUESSED = (
    *("cp1252", "cp1251", "cp1250", "cp932", "gb18030", "big5", "euc_kr", "euc_jp", "koi8_r", "cp1253", "cp1254", "cp1255"),
    *(
        "cp1256",
        "cp1257",
        "cp1258",
        "iso2022_jp",
        "iso8859_2",
        "iso8859_5",
        "iso8859_6",
        "iso8859_7",
        "iso8859_8",
        "iso8859_15",
    ),
    *("koi8_u", "cp866", "cp874", "mac_roman", "mac_cyrillic"),
)
"""What files without a mark may be in, the commoner first: the encodings of the Web, as browsers know them."""
_SLACK_CHAOS, _SLACK_COHERENCE = 0.005, 0.1
"""Within these of the best, by charset-normalizer's measures, others are as good."""
_CHUNK_BYTES = 4 << 20
_SAMPLE_BYTES = 32 << 10
_ERRORS = "tensorline-located"
_noted = threading.local()


@dataclass(frozen=True)
class Undecodable:
    """Bytes that are no text.

    Attributes:
        offset: Of the first in the file, from 0; in a gzip file, in what it unpacks to.
        content: The bytes.
    """

    offset: int
    content: bytes

    def problem(self, encoding: str) -> str:
        """What is wrong, in words."""
        shown = " ".join(f"0x{byte:02x}" for byte in self.content[:8])
        return f"{shown} at byte {self.offset:,} is not valid {encoding}"


def _note(error: UnicodeError) -> tuple[str, int]:
    """The error handler: notes what can't be decoded, and lets `UNDECODABLE` stand for it."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    _noted.found.append((error.start, bytes(error.object[error.start : error.end])))
    return UNDECODABLE, error.end


codecs.register_error(_ERRORS, _note)


class Decoder:
    """Decodes the chunks of one file, in order; a character may lie across two.

    Attributes:
        undecodable: What `UNDECODABLE` stands for in the texts so far, in order; who reads the texts takes it from here.

    Args:
        encoding: A name that Python knows.
    """

    def __init__(self, encoding: str) -> None:
        self._is_utf8 = is_declared_utf8(encoding)
        self._decoder = codecs.getincrementaldecoder(encoding)(_ERRORS)
        self._num_bytes = 0
        self._rest = b""
        self._at_start = True
        self.undecodable: deque[Undecodable] = deque()

    def decode(self, content: bytes, *, final: bool = False) -> str:
        """The text of the next bytes, without the file's byte order mark."""
        _noted.found = []
        pending, self._rest = self._rest, b""
        given = pending + content
        if self._is_utf8:
            text, num_taken = codecs.utf_8_decode(given, _ERRORS, final)
        else:
            # Decoders keep what they can't use yet; its length is all that is asked of their state.
            num_kept = len(self._decoder.getstate()[0])
            try:
                text = self._decoder.decode(given, final)
            except UnicodeError:  # UTF-16 and UTF-32 that don't begin with a byte order mark
                text, num_kept = UNDECODABLE, 0
                _noted.found = [(0, given[:2])]
                self._decoder.reset()
            self._num_bytes -= num_kept
            num_taken = len(given) + num_kept
        for start, found in _noted.found:
            self.undecodable.append(Undecodable(self._num_bytes + start, found))
        if self._is_utf8:
            self._rest = given[num_taken:]
        self._num_bytes += num_taken
        if self._at_start and text:
            self._at_start = False
            text = text.removeprefix("\ufeff")
        return text

    def to_utf8(self, content: bytes, *, final: bool = False) -> bytes:
        """As `decode`, encoded as UTF-8, which what is UTF-8 already need not be again."""
        if self._is_utf8 and not self._rest and not self._at_start:
            num_taken = len(content) if final else _end_of_characters(content)
            if is_utf8(content[:num_taken]):
                self._rest = content[num_taken:]
                self._num_bytes += num_taken
                return content[:num_taken]
        return self.decode(content, final=final).encode("utf-8", "surrogatepass")


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes; `.gz` is unpacked."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a few MiB at a time.

    Raises: UserError if it can't be read.
    """
    with reading(path), open_bytes(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tells in our words what is wrong with a file that can't be read."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read: {error}. Expected a text file. Mend or remove the file.") from error


def utf8_chunks(path: Path, decoder: Decoder) -> Iterator[bytes]:
    """The file's text as UTF-8, a few MiB at a time, always whole characters. Raises: as `chunks`."""
    for chunk in chunks(path):
        yield decoder.to_utf8(chunk)
    yield decoder.to_utf8(b"", final=True)


def find_encoding(path: Path) -> str:
    """The encoding of a file: as its byte order mark says; else UTF-8 if all of it is; else what its letters look like.

    Raises: UserError if the file can't be read, or looks like no text.
    """
    finder = Finder()
    for chunk in chunks(path):
        finder.add(chunk)
        if finder.is_sure:
            break
    return finder.found(str(path))


class Finder:
    """Finds the one encoding of the bytes that it is given."""

    def __init__(self) -> None:
        self.marked: str | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_utf8 = True
        self._at_start = True
        self._sample = bytearray()

    @property
    def is_sure(self) -> bool:
        """Whether more bytes would change nothing."""
        return self.marked is not None or (not self._is_utf8 and len(self._sample) >= _SAMPLE_BYTES)

    def add(self, chunk: bytes) -> None:
        """The next bytes of the file."""
        if self._at_start:
            self.marked = marked_encoding(chunk)
            self._at_start = False
        if self._is_utf8:
            try:
                self._decoder.decode(chunk)
            except UnicodeDecodeError:
                self._is_utf8 = False
        self.add_sample(chunk)

    def add_sample(self, chunk: bytes) -> None:
        """Bytes of which the encoding is to be guessed: the lines that are not ASCII say most."""
        if len(self._sample) >= _SAMPLE_BYTES or chunk.isascii():
            return
        for line in chunk.splitlines(keepends=True):
            if not line.isascii():
                self._sample += line[:_SAMPLE_BYTES]
                if len(self._sample) >= _SAMPLE_BYTES:
                    return

    def found(self, where: str) -> str:
        """The encoding, when all was added. Raises: UserError if none fits; `where` names the file."""
        if self.marked:
            return self.marked
        if self._is_utf8:
            try:
                self._decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                pass
            else:
                return "utf-8"
        return self.guess(where)

    def guess(self, where: str) -> str:
        """What the sample's letters look like, by charset-normalizer."""
        from charset_normalizer import from_bytes

        sample = bytes(self._sample)
        found = []
        for encoding in _GUESSED if b"\0" not in sample else ():
            # One by one: together, it stops at the first that looks good.
            match = from_bytes(sample, cp_isolation=[encoding], enable_fallback=False).best()
            if match is not None:
                found.append((encoding, match.chaos, match.coherence))
        if not found:
            raise UserError(
                f"{where}: its bytes are no text in any encoding that is known. Expected a text file. "
                "Declare data.encoding, or remove the file if it is no text."
            )
        # Several look as good where only a few letters are beyond ASCII: then the commoner it is.
        least_chaos = min(chaos for _, chaos, _ in found)
        orderly = [(encoding, coherence) for encoding, chaos, coherence in found if chaos <= least_chaos + _SLACK_CHAOS]
        most_coherence = max(coherence for _, coherence in orderly)
        return next(encoding for encoding, coherence in orderly if coherence >= most_coherence - _SLACK_COHERENCE)


def _end_of_characters(content: bytes) -> int:
    """Where the last UTF-8 character ends that is not torn at the end."""
    for place in range(len(content) - 1, max(len(content) - 4, -1), -1):
        if content[place] >= 0xC0:
            length = 2 + (content[place] >= 0xE0) + (content[place] >= 0xF0)
            return place if place + length > len(content) else len(content)
        if content[place] < 0x80:
            break
    return len(content)


def marked_encoding(content: bytes) -> str | None:
    """What a byte order mark says, if the bytes begin with one."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS if content.startswith(mark)), None)


def is_utf8(content: bytes) -> bool:
    """Whether all of it is. Arrow tells ten times as fast as Python, which would make a string of it."""
    if content.isascii():
        return True
    bounds = pa.array([0, len(content)], pa.int32()).buffers()[1]
    try:
        pa.Array.from_buffers(pa.binary(), 1, [None, bounds, pa.py_buffer(content)]).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def resolve(encoding: str, path: Path) -> str:
    """The encoding of a file by what `data.encoding` says. Raises: as `find_encoding`."""
    return find_encoding(path) if encoding == AUTO else encoding


def is_declared_utf8(encoding: str) -> bool:
    """Whether it is a name of UTF-8."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
