"""Reads one NumPy .npz file: an archive of arrays, each a column."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO, ClassVar

from components.ingest.array_source import ArraySource


class NpzSource(ArraySource):
    """One .npz file; see `array_source.ArraySource`."""

    kind_of_file: ClassVar[str] = "a .npz file, as numpy.savez writes"

    def _files(self) -> Iterator[tuple[str, str, AbstractContextManager[IO[bytes]]]]:
        with zipfile.ZipFile(self.path) as archive:
            for file in archive.namelist():
                yield file.removesuffix(".npy"), file, archive.open(file)

    @contextmanager
    def _opened(self) -> Iterator[Callable[[str], AbstractContextManager[IO[bytes]]]]:
        with zipfile.ZipFile(self.path) as archive:
            yield archive.open
