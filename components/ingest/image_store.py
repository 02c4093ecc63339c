"""Where images lie: a folder, or an archive that is read in place. Names are relative, with slashes; nothing lies outside."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import UserError
from components.ingest.archive import is_archive, is_packed, read_directory, stream
from components.ingest.image_batch import MOST_MEMBER_BYTES, Task, read_file, read_members
from components.ingest.image_codec import Limits, UnusableImageError

TASK_BYTES, TASK_IMAGES = 4 << 20, 2048
"""Of the images of one task, about; a single image may be longer."""


class Store(Protocol):
    """Images by name."""

    @property
    def path(self) -> Path:
        """The folder or archive."""

    @property
    def names(self) -> pa.Array:
        """Of the files; string, [files]."""

    @property
    def sizes(self) -> np.ndarray:
        """Of the files in bytes, about; int64, [files]."""

    def tasks(self, chosen: np.ndarray, limits: Limits) -> Iterator[tuple[np.ndarray, Task]]:
        """The work of reading the files with these indices, and which of them each task reads, in order."""

    def read(self, index: int) -> bytes | None:
        """One file, or None if it can't be read."""

    def place(self, name: str) -> str:
        """A file as messages show it."""


def open_store(path: Path) -> Store:
    """The store at `path`, a folder or an archive. Raises: UserError if it is neither."""
    if path.is_dir():
        return FolderStore(path)
    if not is_archive(path):
        raise UserError(f"{path}: is neither a folder nor an archive. Expected a folder, .zip, .tar, .tar.gz or .tgz.")
    return PackedStore(path) if is_packed(path) else ArchiveStore(path)


def cut(sizes: np.ndarray) -> Iterator[slice]:
    """Slices of successive files that are worth one task."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = ends[start - 1] if start else 0
        end = int(np.searchsorted(ends, before + TASK_BYTES, side="right"))
        end = min(max(end, start + 1), start + TASK_IMAGES)
        yield slice(start, end)
        start = end


@dataclass
class FolderStore:
    """A folder, with its folders; files may be links, as those that DVC makes, folders may not."""

    path: Path

    @cached_property
    def _listed(self) -> tuple[pa.Array, np.ndarray]:
        names: list[pa.Array] = [pa.array([], pa.string())]
        sizes: list[np.ndarray] = [np.empty(0, np.int64)]
        for folder, found in _walk(self.path, ""):
            names.append(pa.array([folder + name for name, _ in found], pa.string()))
            sizes.append(np.array([size for _, size in found], np.int64))
        all_names = pa.concat_arrays(names)
        order = pc.sort_indices(all_names)
        return all_names.take(order), np.concatenate(sizes)[order.to_numpy()]

    @property
    def names(self) -> pa.Array:
        return self._listed[0]

    @property
    def sizes(self) -> np.ndarray:
        return self._listed[1]

    def tasks(self, chosen: np.ndarray, limits: Limits) -> Iterator[tuple[np.ndarray, Task]]:
        for part in cut(self.sizes[chosen]):
            names = self.names.take(pa.array(chosen[part])).to_pylist()
            yield (
                chosen[part],
                Task(limits, paths=[f"{self.path}/{name}" for name in names], size_bytes=int(self.sizes[chosen[part]].sum())),
            )

    def read(self, index: int) -> bytes | None:
        content = read_file(f"{self.path}/{self.names[index].as_py()}")
        return None if isinstance(content, UnusableImageError) else content

    def place(self, name: str) -> str:
        return f"{self.path}/{name}"


def _walk(root: Path, below: str) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Every folder with its files and their sizes, in no order."""
    files: list[tuple[str, int]] = []
    folders: list[str] = []
    with os.scandir(root / below) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            try:
                name.encode()
            except UnicodeEncodeError:
                shown = os.fsencode(f"{root}/{name}").decode("utf-8", "backslashreplace")
                raise UserError(f"{shown}: the name is not valid utf-8. Expected utf-8. Rename the file.") from None
            if entry.is_dir():
                if entry.is_symlink():
                    raise UserError(f"{root}/{name}: is a link to a folder. Expected folders. Copy the folder to here.")
                folders.append(name + "/")
            else:
                # A link that leads nowhere is a record too: one that can't be read.
                files.append((entry.name, entry.stat().st_size if entry.is_file() else 0))
    yield below, files
    for folder in folders:
        yield from _walk(root, folder)


@dataclass
class ArchiveStore:
    """A zip or tar archive, whose members can be read one by one."""

    path: Path

    @cached_property
    def _directory(self) -> tuple[pa.Array, np.ndarray]:
        directory = read_directory(self.path)
        return directory.names, directory.members

    @property
    def names(self) -> pa.Array:
        return self._directory[0]

    @property
    def sizes(self) -> np.ndarray:
        members = self._directory[1]
        # What is unpacked in memory at a time counts; what lies about its size is refused anyway.
        return np.maximum(members["packed"], np.minimum(members["size"], MOST_MEMBER_BYTES))

    def tasks(self, chosen: np.ndarray, limits: Limits) -> Iterator[tuple[np.ndarray, Task]]:
        for part in cut(self.sizes[chosen]):
            yield chosen[part], self.task(chosen[part], limits)

    def task(self, chosen: np.ndarray, limits: Limits) -> Task:
        """The work of reading the files with these indices, all at once."""
        size_bytes = int(self.sizes[chosen].sum())
        return Task(limits, archive=str(self.path), members=self.members(chosen), size_bytes=size_bytes)

    def members(self, chosen: np.ndarray) -> np.ndarray:
        """Where the files with these indices lie: `image_batch.MEMBER`, [files]."""
        members: np.ndarray = self._directory[1][chosen]
        return members

    def read(self, index: int) -> bytes | None:
        content = next(read_members(str(self.path), self.members(np.array([index]))))
        return None if isinstance(content, UnusableImageError) else content

    def place(self, name: str) -> str:
        return f"{self.path}/{name}"


@dataclass
class PackedStore:
    """A tar archive that is packed as a whole: it is read from its start to its end, the files in its order."""

    path: Path

    @cached_property
    def _directory(self) -> tuple[pa.Array, np.ndarray]:
        directory = read_directory(self.path)
        return directory.names, directory.members["size"].copy()

    @property
    def names(self) -> pa.Array:
        return self._directory[0]

    @property
    def sizes(self) -> np.ndarray:
        return self._directory[1]

    def tasks(self, chosen: np.ndarray, limits: Limits) -> Iterator[tuple[np.ndarray, Task]]:
        contents = self._contents(chosen)
        for part in cut(np.minimum(self.sizes[chosen], MOST_MEMBER_BYTES)):
            found = [content for _, content in zip(chosen[part], contents, strict=False)]
            blob = b"".join(found)
            yield chosen[part], Task(limits, lengths=[len(content) for content in found], blob=blob, size_bytes=len(blob))

    def read(self, index: int) -> bytes | None:
        return next(self._contents(np.array([index])), None)

    def place(self, name: str) -> str:
        return f"{self.path}/{name}"

    def _contents(self, chosen: Sequence[int] | np.ndarray) -> Iterator[bytes]:
        """The files with these indices, which must be sorted; empty where one is too long to be an image."""
        wanted = iter(np.asarray(chosen).tolist())
        index = next(wanted, None)
        for position, (_, file) in enumerate(stream(self.path)):
            if index is None:
                return
            if position == index:
                yield file.read() if self.sizes[index] <= MOST_MEMBER_BYTES else b""
                index = next(wanted, None)
