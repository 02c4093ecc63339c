"""The members of zip and tar archives: their names and where their bytes lie. Nothing is ever unpacked to a disk.

A directory takes some 60 bytes a member, in plain arrays: Python's zipfile takes ten times as many. The layout of zip is that
of
PKWARE's APPNOTE.TXT 6.3; encrypted members, those of several disks, and names that lead out of the folder are refused.
"""

from __future__ import annotations

import stat
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import UserError
from components.ingest.image_batch import DEFLATED, MEMBER, PLAIN, STORED

ZIP_SUFFIXES, TAR_SUFFIXES, PACKED_SUFFIXES = (".zip",), (".tar",), (".tar.gz", ".tgz")
SUFFIXES = (*ZIP_SUFFIXES, *TAR_SUFFIXES, *PACKED_SUFFIXES)
_END, _END64, _LOCATOR = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4sxB2x2H4x3L3H4x2L")
"""Of the central directory: signature, system, flags, method, checksum, sizes packed and unpacked, lengths of name, extra
field and comment, attributes, offset."""
_UNIX = 3
_MOST_COMMENT = 1 << 16
_UTF8 = 0x800
_ENCRYPTED = 0x1
_WIDE = 0xFFFFFFFF
_CHUNK = 1 << 14


@dataclass(frozen=True)
class Directory:
    """The files of an archive, sorted by name unless it is packed as a whole.

    Attributes:
        names: String, [files].
        members: Where they lie: `image_batch.MEMBER`, [files]; of a packed tar only the sizes are known.
    """

    names: pa.Array
    members: np.ndarray


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive which `read_directory` knows."""
    return path.name.lower().endswith(SUFFIXES)


def is_packed(path: Path) -> bool:
    """Whether the archive can only be read from its start to its end."""
    return path.name.lower().endswith(PACKED_SUFFIXES)


def read_directory(path: Path) -> Directory:
    """Lists an archive.

    Raises: UserError if it is damaged, or a member is encrypted, no plain file, or named so that it would lie elsewhere.
    """
    with _reading(path):
        if path.name.lower().endswith(ZIP_SUFFIXES):
            with path.open("rb") as file:
                return _directory(_zip_entries(path, file), in_order=False)
        if path.name.lower().endswith(TAR_SUFFIXES):
            with tarfile.open(path, "r:") as archive:
                entries = (
                    (name, info.offset_data, info.size, info.size, 0, PLAIN) for name, info in _tar_files(path, archive)
                )
                return _directory(entries, in_order=False)
        with tarfile.open(path, "r|gz") as archive:
            entries = ((name, 0, info.size, info.size, 0, PLAIN) for name, info in _tar_files(path, archive))
            return _directory(entries, in_order=True)


def stream(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Every file of a packed tar with its name, in the archive's order; a file must be read before the next is asked for.

    Raises: As `read_directory`.
    """
    with _reading(path), tarfile.open(path, "r|gz") as archive:
        for name, info in _tar_files(path, archive):
            file = archive.extractfile(info)
            if file is not None:
                yield name, file


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Tells in our words what is wrong with the archive."""
    try:
        yield
    except (tarfile.TarError, OSError, EOFError, zlib.error, struct.error, ValueError) as error:
        kind = "zip" if path.name.lower().endswith(ZIP_SUFFIXES) else "tar"
        raise UserError(f"{path}: cannot be read: {error}. Expected a {kind} archive. Mend or remove the file.") from error


def _directory(entries: Iterable[tuple[str, int, int, int, int, int]], *, in_order: bool) -> Directory:
    names: list[pa.Array] = []
    members: list[np.ndarray] = []
    chunk: list[tuple[str, int, int, int, int, int]] = []

    def flush() -> None:
        names.append(pa.array([name for name, *_ in chunk], pa.string()))
        members.append(np.array([tuple(place) for _, *place in chunk], MEMBER))
        chunk.clear()

    for entry in entries:
        chunk.append(entry)
        if len(chunk) == _CHUNK:
            flush()
    flush()
    all_names, all_members = pa.concat_arrays(names), np.concatenate(members)
    if in_order or _is_sorted(all_names):
        return Directory(all_names, all_members)
    order = pc.sort_indices(all_names)
    return Directory(all_names.take(order), all_members[order.to_numpy()])


def _is_sorted(names: pa.Array) -> bool:
    return len(names) < 2 or bool(pc.all(pc.less_equal(names[:-1], names[1:])).as_py())


def _checked_name(path: Path, name: str) -> str:
    """The name with slashes between folders.

    Raises: UserError if it leads out of the folder into which the archive would be unpacked.
    """
    parts = name.replace("\\", "/").split("/")
    if not parts[0] or ".." in parts or parts[0].endswith(":") or "\0" in name:
        raise UserError(
            f"{path}: the member {name!r} leads out of the archive's folder. Expected names below it. "
            "Do not trust the archive; make it anew."
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(f"{path}: the name of the member {name!r} is not valid utf-8. Expected utf-8. Rename it.") from None
    return "/".join(part for part in parts if part != ".")


def _tar_files(path: Path, archive: tarfile.TarFile) -> Iterator[tuple[str, tarfile.TarInfo]]:
    for info in archive:
        archive.members = []  # type: ignore[attr-defined]  # else it remembers every member
        name = _checked_name(path, info.name)
        if info.isdir():
            continue
        if not info.isreg() or info.issparse():
            kind = "a link" if info.issym() or info.islnk() else "a sparse file" if info.issparse() else "a device"
            raise _no_file(path, info.name, kind)
        yield name, info


def _no_file(path: Path, name: str, kind: str) -> UserError:
    return UserError(f"{path}: the member {name!r} is {kind}. Expected files and folders. Make the archive anew without it.")


def _zip_entries(path: Path, file: IO[bytes]) -> Iterator[tuple[str, int, int, int, int, int]]:
    """Name, offset, packed and unpacked size, checksum and method of each file in the central directory."""
    count, start, shift = _central_directory(file)
    file.seek(start + shift)
    for _ in range(count):
        (
            signature,
            system,
            flags,
            method,
            crc,
            packed,
            unpacked,
            name_size,
            extra_size,
            comment_size,
            attributes,
            offset,
        ) = _ENTRY.unpack(file.read(_ENTRY.size))
        if signature != b"PK\x01\x02":
            raise ValueError("its directory is damaged")
        raw, extra = file.read(name_size), file.read(extra_size)
        if comment_size:
            file.seek(comment_size, 1)
        if _WIDE in (packed, unpacked, offset):
            unpacked, packed, offset = _wide(extra, (unpacked, packed, offset))
        name = _checked_name(path, raw.decode("utf-8" if flags & _UTF8 else "cp437", "surrogateescape"))
        if name.endswith("/"):
            continue
        mode = stat.S_IFMT(attributes >> 16) if system == _UNIX else 0
        if mode not in (0, stat.S_IFREG):
            raise _no_file(path, name, "a link" if mode == stat.S_IFLNK else "a device")
        if flags & _ENCRYPTED:
            raise UserError(f"{path}: the member {name!r} is encrypted. Expected it to be open. Make the archive anew.")
        if method not in (STORED, DEFLATED):
            raise UserError(
                f"{path}: the member {name!r} is compressed by the method {method}. Expected 0 (stored) or 8 (deflate). "
                "Make the archive anew."
            )
        yield name, offset + shift, packed, unpacked, crc, method


def _central_directory(file: IO[bytes]) -> tuple[int, int, int]:
    """Number of entries and offset of the directory, and how many bytes stand before the archive itself."""
    length = file.seek(0, 2)
    tail_start = max(0, length - _END.size - _MOST_COMMENT)
    file.seek(tail_start)
    tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or end + _END.size > len(tail):
        raise ValueError("it has no directory at its end")
    _, _, _, _, count, size, start, _ = _END.unpack_from(tail, end)
    directory_end = tail_start + end
    if count == _WIDE >> 16 or _WIDE in (size, start):
        locator = tail_start + end - _LOCATOR.size
        file.seek(max(0, locator))
        signature, _, end64, _ = _LOCATOR.unpack(file.read(_LOCATOR.size))
        if signature == b"PK\x06\x07":
            file.seek(end64)
            signature, _, _, _, _, _, _, count, size, start = _END64.unpack(file.read(_END64.size))
            if signature != b"PK\x06\x06":
                raise ValueError("its directory is damaged")
            directory_end = end64
    if start + size > directory_end or count * _ENTRY.size > size:
        raise ValueError("its directory is damaged")
    # A program that unpacks the archive may stand before it; offsets count from the archive's own start.
    return count, start, directory_end - start - size


def _wide(extra: bytes, values: tuple[int, int, int]) -> list[int]:
    """Sizes and offset with those beyond 32 bits from the extra field, where they stand in this order."""
    position = 0
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, position)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{size // 8}Q", extra, position + 4))
            return [next(wide, value) if value == _WIDE else value for value in values]
        position += 4 + size
    return list(values)
