"""Reads NumPy .npy files that lie together: each is a column, named as the file is without its ending."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, ClassVar

from components.ingest.array_source import ArraySource


@dataclass
class NpySource(ArraySource):
    """Several .npy files; `path` is their pattern. See `array_source.ArraySource`.

    Attributes:
        inputs: The files.
    """

    inputs: list[Path] = field(default_factory=list)
    kind_of_file: ClassVar[str] = "a .npy file, as numpy.save writes"

    def _files(self) -> Iterator[tuple[str, str, AbstractContextManager[IO[bytes]]]]:
        for path in self.inputs:
            yield path.stem, str(path), path.open("rb")

    @contextmanager
    def _opened(self) -> Iterator[Callable[[str], AbstractContextManager[IO[bytes]]]]:
        yield lambda file: Path(file).open("rb")  # noqa: SIM115  it is closed by who asked for it
