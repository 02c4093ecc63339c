"""The format `images`: a folder or archive with a folder for each class, a record a file; see `class_folders.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from components.ingest.class_folders import Chosen, Members, find_members
from components.ingest.image_batch import Images
from components.ingest.image_codec import Limits
from components.ingest.image_column import ImageColumn, image_array, to_malformed
from components.ingest.image_pool import ImagePool
from components.ingest.kinds import Kind
from components.ingest.source import Block, Located, Malformed
from components.params.models import DataParams, ImageParams

IMAGE_SUFFIXES = frozenset(
    f".{suffix}"
    for suffixes in (
        ("png", "apng", "jpg", "jpeg", "jpe", "jfif", "mpo", "gif", "bmp", "dib", "tif", "tiff", "webp", "avif"),
        ("ppm", "pgm", "pbm", "pnm", "jp2", "j2k", "jpx"),
    )
    for suffix in suffixes
)


def find_images(data: DataParams, key: str, pattern: str, pool: ImagePool) -> list[ImagesSource]:
    """The folders and archives of one pattern. Raises: ParamsError if there are none."""
    raw_names = {new: old for old, new in data.rename.items()}
    ((image, params),) = data.image_columns.items()
    # A label that is derived is derived of the class.
    label = data.label if data.label not in data.derive else "label"
    return [
        ImagesSource(members, raw_names.get(image, image), label and raw_names.get(label, label), params, pool)
        for members in find_members(key, pattern, "images", IMAGE_SUFFIXES)
    ]


@dataclass
class ImagesSource:
    """The images of one folder or archive.

    Attributes:
        members: Where they lie.
        image: Name of the column of images.
        label: Name of the column of classes, or None for images without a class.
        params: What `data.images` says.
        pool: Reads them.
    """

    members: Members
    image: str
    label: str | None
    params: ImageParams
    pool: ImagePool
    malformed: list[Malformed] = field(default_factory=list)
    unit: Literal["line", "row"] = "row"
    measured: frozenset[str] = frozenset()

    @property
    def path(self) -> Path:
        """See `source.Source`."""
        return self.members.path

    @property
    def inputs(self) -> Iterator[Path]:
        """The files and folders that hold what is read."""
        return self.members.inputs

    @property
    def header(self) -> list[str]:
        """See `source.Source`."""
        return list(self.kinds)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """See `source.Source`."""
        kinds: dict[str, Kind] = {self.image: "bytes"}
        if self.label is not None:
            kinds[self.label] = "string"
        return kinds

    @property
    def num_ignored(self) -> int:
        """Files that are no records."""
        return self._chosen.num_ignored

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """See `source.Source`; every column is there, whatever is wanted."""
        labels = self._chosen.labels
        malformed: list[Malformed] = []
        self.malformed = malformed
        start = first_row = 0
        tasks = self.members.store.tasks(self._chosen.indices, Limits(self.params.max_pixels, self.params.animated))
        for _, (images,) in self.pool.in_order(((part, [task]) for part, task in tasks)):
            number = len(images.table)
            malformed += [to_malformed(fault, start + fault.index) for fault in images.faults]
            yield self._block(images, labels.slice(start, number), first_row)
            start += number
            first_row += number - len(images.faults)

    def locate(self, indices: Sequence[int]) -> Iterator[Located]:
        """See `source.Source`; `text` is the file's name."""
        store, labels = self.members.store, self._chosen.labels
        for index in indices:
            name = store.names[int(self._chosen.indices[index])].as_py()
            fields = ["", labels[index].as_py() or ""] if self.label is not None else [""]
            yield Located(index + 1, fields, name, store.place(name))

    def read(self, index: int, column: str, fields: Sequence[str]) -> bytes | None:
        """The file of a record, or None if it can't be read; `column` and `fields` are not needed."""
        return self.members.store.read(int(self._chosen.indices[index]))

    def _block(self, images: Images, labels: pa.Array, first_row: int) -> Block:
        good = np.ones(len(images.table), bool)
        good[[fault.index for fault in images.faults]] = False
        columns = {self.image: image_array(images).filter(pa.array(good))}
        if self.label is not None:
            columns[self.label] = labels.filter(pa.array(good)).cast(pa.binary())
        table = images.table[good]
        return Block(first_row, columns, len(table), images={self.image: ImageColumn(table)})

    @cached_property
    def _chosen(self) -> Chosen:
        return self.members.choose(labelled=self.label is not None)
