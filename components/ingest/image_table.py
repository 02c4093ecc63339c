"""Tables of paths: a CSV, JSON Lines or Parquet file some of whose columns name images, one or several a record."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import ParamsError
from components.ingest.archive import is_archive, is_packed
from components.ingest.image_batch import MOST_MEMBER_BYTES, Fault, Images, Task, read_file, read_members
from components.ingest.image_codec import Limits, UnusableImageError
from components.ingest.image_column import ImageColumn, image_array, to_malformed
from components.ingest.image_pool import ImagePool
from components.ingest.image_store import ArchiveStore, cut
from components.ingest.kinds import Kind
from components.ingest.source import Block, Located, Malformed, Source, indices_of
from components.ingest.values import as_text, decode
from components.params.models import ImageParams


class Root(Protocol):
    """The folder or archive in which the paths of one column lie."""

    @property
    def path(self) -> Path:
        """Itself."""

    def find(self, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Where files of these names lie, and their sizes in bytes (int64, -1 if there is none); both [names]."""

    def task(self, places: np.ndarray, sizes: np.ndarray, limits: Limits) -> Task:
        """The work of reading files that were found."""

    def read(self, name: str) -> bytes | None:
        """One file, or None if there is none, or it can't be read."""


@dataclass(frozen=True)
class FolderRoot:
    """A folder."""

    path: Path

    def find(self, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        paths = [f"{self.path}/{name}" for name in names]
        return np.array(paths, object), np.fromiter(map(_file_size, paths), np.int64, len(paths))

    def task(self, places: np.ndarray, sizes: np.ndarray, limits: Limits) -> Task:
        return Task(limits, paths=places.tolist(), size_bytes=int(sizes.sum()))

    def read(self, name: str) -> bytes | None:
        content = read_file(f"{self.path}/{name}")
        return None if isinstance(content, UnusableImageError) else content


@dataclass(frozen=True)
class ArchiveRoot:
    """A zip or tar archive."""

    store: ArchiveStore

    @property
    def path(self) -> Path:
        """The archive."""
        return self.store.path

    def find(self, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        found = pc.index_in(pa.array(names, pa.string()), value_set=self.store.names)
        places = pc.fill_null(found, -1).to_numpy(zero_copy_only=False)
        sizes = np.full(len(names), -1, np.int64)
        sizes[places >= 0] = self.store.sizes[places[places >= 0]]
        return places, sizes

    def task(self, places: np.ndarray, sizes: np.ndarray, limits: Limits) -> Task:
        return self.store.task(places, limits)

    def read(self, name: str) -> bytes | None:
        places, sizes = self.find([name])
        if sizes[0] < 0:
            return None
        content = next(read_members(str(self.path), self.store.members(places)))
        return None if isinstance(content, UnusableImageError) else content


def open_root(key: str, params: ImageParams, table: Path) -> Root:
    """Where the paths of a column lie: `params.root`, or else the folder of the table.

    Raises: ParamsError if there is no such folder or archive.
    """
    path = table.parent if params.root is None else Path(params.root)
    if path.is_dir():
        return FolderRoot(path)
    if path.is_file() and is_archive(path) and not is_packed(path):
        return ArchiveRoot(ArchiveStore(path))
    found = "is packed as a whole, so that no member can be read by itself" if is_packed(path) else "is neither"
    if not path.exists():
        found = "does not exist"
    raise ParamsError(f"{key}.root: {path} {found}. Expected a folder, a .zip or a .tar, from the repository's root.")


@dataclass
class ImageTable:
    """A table with the images that it names in place of their paths.

    Attributes:
        table: The file itself.
        columns: Name in the file → what `data.images` says, of the columns of paths.
        roots: Name in the file → where the paths lie.
        pool: Reads the images.
    """

    table: Source
    columns: Mapping[str, ImageParams]
    roots: Mapping[str, Root]
    pool: ImagePool
    _bad: list[tuple[int, Malformed]] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """See `source.Source`."""
        return self.table.path

    @property
    def unit(self) -> Literal["line", "row"]:
        """See `source.Source`."""
        return self.table.unit

    @property
    def header(self) -> list[str]:
        """See `source.Source`; a file of JSON Lines may lack a column of images that others have."""
        return list(dict.fromkeys([*self.table.header, *self.columns]))

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """See `source.Source`."""
        kinds: dict[str, Kind] = dict.fromkeys(self.columns, "bytes")
        return {**self.table.kinds, **kinds}

    @property
    def measured(self) -> frozenset[str]:
        """See `source.Source`."""
        return self.table.measured

    @property
    def inputs(self) -> list[Path]:
        """The files and folders that hold what is read."""
        return list(dict.fromkeys([self.path, *(root.path for root in self.roots.values())]))

    @property
    def malformed(self) -> Sequence[Malformed]:
        """See `source.Source`: the records that the table's own reader left out, and those without their images."""
        indices = indices_of(self.table, [row for row, _ in self._bad])
        bad = [
            Malformed(index, about.rule, about.problem, about.expected, about.column, about.value, about.fix)
            for index, (_, about) in zip(indices, self._bad, strict=True)
        ]
        return sorted([*self.table.malformed, *bad], key=lambda malformed: malformed.index)

    def locate(self, indices: Sequence[int]) -> Iterator[Located]:
        """See `source.Source`."""
        for located in self.table.locate(indices):
            fields = [*located.fields, *[""] * (len(self.header) - len(located.fields))]
            yield Located(located.line, fields, located.text, located.file)

    def read(self, index: int, column: str, fields: Sequence[str]) -> bytes | None:
        """An image of a record, that of the first column unless `column` is one of images; None if it can't be read.

        Args:
            index: Not needed.
            column: To blame.
            fields: What the record holds, in the header's order.
        """
        if len(fields) != len(self.header):
            return None
        column = column if column in self.columns else next(iter(self.columns))
        name = _normal(dict(zip(self.header, fields, strict=True))[column])
        return None if name is None else self.roots[column].read(name)

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """See `source.Source`; images are only read if one of their columns is wanted."""
        wanted = [name for name in self.columns if columns is None or name in columns]
        if not wanted:
            yield from self.table.blocks(columns)
            return
        columns = None if columns is None else [name for name in columns if name in self.table.header]
        self._bad = []
        first_row = 0
        for part, found in self.pool.in_order(self._work(wanted, columns)):
            block = self._read(part, dict(zip(wanted, found, strict=True)), first_row)
            first_row += block.num_records
            yield block

    def _work(self, wanted: Sequence[str], columns: Sequence[str] | None) -> Iterator[tuple[_Part, list[Task]]]:
        """Parts of the table's blocks, as large as their images allow, with the tasks of reading these."""
        for block in self.table.blocks(columns):
            found = {name: self._find(name, block) for name in wanted}
            for rows in cut(sum(np.maximum(each.sizes, 0) for each in found.values())):
                part = _Part(block, rows, found)
                tasks = []
                for name, each in found.items():
                    params = self.columns[name]
                    there = each.sizes[rows] >= 0
                    limits = Limits(params.max_pixels, params.animated)
                    tasks.append(self.roots[name].task(each.places[rows][there], each.sizes[rows][there], limits))
                yield part, tasks

    def _find(self, column: str, block: Block) -> _Found:
        root = self.roots[column]
        raw = block.columns.get(column)
        strings, undecodable = decode(pa.nulls(block.num_records) if raw is None else raw, marked=block.marked)
        texts: list[str | None] = as_text(strings).to_pylist()
        names = [_normal(text or "") for text in texts]
        places, sizes = root.find([name or "" for name in names])
        faults: dict[int, Malformed] = {}
        fix = "Mend the path, or set root in data.images"
        for row in [row for row, name in enumerate(names) if not name]:
            sizes[row] = -1
            text = texts[row]
            problem = f"{text!r} leads out of {root.path}" if text else "there is no path"
            faults[row] = Malformed(0, "missing_file", problem, f"the path of a file in {root.path}", column, text or "", fix)
        if undecodable is not None:
            for row in np.flatnonzero(undecodable.to_numpy(zero_copy_only=False)).tolist():
                faults[row] = Malformed(0, "encoding", "the path is not valid text", "valid text", column)
        for row in np.flatnonzero(sizes < 0).tolist():
            if row not in faults:
                problem = f"no file {names[row]!r} in {root.path}"
                faults[row] = Malformed(0, "missing_file", problem, "an image's path", column, texts[row] or "", fix)
        return _Found(texts, places, sizes, faults)

    def _read(self, part: _Part, images: Mapping[str, Images], first_row: int) -> Block:
        start = part.rows.start
        count = part.rows.stop - start
        bad: dict[int, Malformed] = {}
        positions: dict[str, np.ndarray] = {}
        for column, found in part.found.items():
            there = np.flatnonzero(found.sizes[part.rows] >= 0)
            positions[column] = np.full(count, -1, np.int64)
            positions[column][there] = np.arange(len(there))
            for row in np.flatnonzero(found.sizes[part.rows] < 0).tolist():
                bad.setdefault(row, found.faults[start + row])
            for fault in images[column].faults:
                row = int(there[fault.index])
                text = found.texts[start + row] or ""
                about = Fault(0, fault.rule, f"{text}: {fault.problem}", fault.expected, fault.fix)
                bad.setdefault(row, to_malformed(about, 0, column, text))
        self._bad += [(part.block.first_row + start + row, malformed) for row, malformed in sorted(bad.items())]
        good = np.array([row for row in range(count) if row not in bad], np.int64)
        arrays = {name: array.slice(start, count).take(pa.array(good)) for name, array in part.block.columns.items()}
        tables = {}
        for column, found_images in images.items():
            chosen = positions[column][good]
            arrays[column] = image_array(found_images).take(pa.array(chosen))
            tables[column] = ImageColumn(found_images.table[chosen])
        return Block(first_row, arrays, len(good), part.block.marked, tables)


@dataclass(frozen=True)
class _Found:
    """The paths of one column in a block: as they stand there, where they lead, sizes, and what is wrong with some."""

    texts: list[str | None]
    places: np.ndarray
    sizes: np.ndarray
    faults: dict[int, Malformed]


@dataclass(frozen=True)
class _Part:
    """Successive records of a block."""

    block: Block
    rows: slice
    found: Mapping[str, _Found]


def _normal(text: str) -> str | None:
    """The path without detours; None if there is none, or it leads out of its root."""
    if not text or "\0" in text:
        return None
    path = posixpath.normpath(text)
    return None if path.startswith(("/", "../")) or path in (".", "..") else path


def _file_size(path: str) -> int:
    """In bytes, no more than an image may have; -1 if there is no such file."""
    try:
        status = os.stat(path)  # noqa: PTH116  the fastest way
    except OSError:
        return -1
    return min(status.st_size, MOST_MEMBER_BYTES) if stat.S_ISREG(status.st_mode) else -1
