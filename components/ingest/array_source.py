"""NumPy arrays of equal length, each a column: of one dimension, or images of several. Nothing in them is ever unpickled.

All arrays are read abreast, some thousand records at a time, so that memory stays flat. `npz_source.py` and `npy_source.py`
say where the arrays lie.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy

from components.errors import UserError
from components.ingest.image_batch import Task
from components.ingest.image_codec import Limits
from components.ingest.image_column import ImageColumn, image_array
from components.ingest.image_pool import ImagePool
from components.ingest.kinds import Kind
from components.ingest.source import BLOCK_BYTES, Block, check_names
from components.ingest.typed import TypedSource, to_column
from components.params.models import ImageParams

_MOST_ROWS = 1 << 16
_KINDS: dict[str, Kind] = {
    **dict.fromkeys("biu", "integer"),
    "f": "number",
    **dict.fromkeys("USM", "string"),
}
_OTHERS = {
    "O": "Python objects, which only unpickling reads",
    "c": "complex numbers",
    "V": "records or raw bytes",
    "m": "time differences",
}
_IMAGE_SHAPE = "[images, height, width] or [images, height, width, 1, 3 or 4] of uint8"


@dataclass(frozen=True)
class Array:
    """One array: the file that holds it, or the member of one; type, number of records, and the shape of each."""

    file: str
    dtype: np.dtype[Any]
    length: int
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Of one record."""
        return self.dtype.itemsize * math.prod(self.shape)


@dataclass
class ArraySource(TypedSource):
    """Arrays that lie together; see `typed.TypedSource`.

    Attributes:
        images: Name of an array → what `data.images` says, of the arrays that are images.
        pool: Writes images as PNG.
    """

    images: Mapping[str, ImageParams] = field(default_factory=dict)
    pool: ImagePool = field(default_factory=ImagePool)
    kind_of_file: ClassVar[str]

    @abstractmethod
    def _files(self) -> Iterator[tuple[str, str, AbstractContextManager[IO[bytes]]]]:
        """Name, file and content of every array."""

    @abstractmethod
    def _opened(self) -> AbstractContextManager[Callable[[str], AbstractContextManager[IO[bytes]]]]:
        """What opens the file of an array."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name → shape of every array, whether it can be a column or not. Raises: UserError if a file can't be read."""
        shapes = {}
        with self._reading():
            for name, _, opened in self._files():
                with opened as stream:
                    shapes[name] = _read_header(stream)[0]
        return shapes

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """Name → kind, as the arrays' types say."""
        return {name: "bytes" if name in self.images else _KINDS[array.dtype.kind] for name, array in self._arrays.items()}

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """See `source.Source`."""
        names = [name for name in self._arrays if (columns is None or name in columns) and name in self.images]
        for (first_row, count, values), images in self.pool.in_order(self._work(columns)):
            measured = dict(zip(names, images, strict=True))
            values |= {name: image_array(each) for name, each in measured.items()}
            yield Block(first_row, values, count, images={name: ImageColumn(each.table) for name, each in measured.items()})

    def _work(self, columns: Sequence[str] | None) -> Iterator[tuple[tuple[int, int, dict[str, pa.Array]], list[Task]]]:
        """Some records at a time: the first one's row, their number, values of the columns, and the tasks of the images."""
        arrays = {name: array for name, array in self._arrays.items() if columns is None or name in columns}
        length = next(iter(self._arrays.values())).length
        row_bytes = sum(array.row_bytes for array in arrays.values())
        num_rows = min(_MOST_ROWS, BLOCK_BYTES // max(1, row_bytes) + 1)
        with self._reading(), ExitStack() as stack:
            open_file = stack.enter_context(self._opened())
            streams = {name: stack.enter_context(open_file(array.file)) for name, array in arrays.items()}
            for stream in streams.values():
                _read_header(stream)
            for first_row in range(0, length, num_rows):
                count = min(num_rows, length - first_row)
                values: dict[str, pa.Array] = {}
                tasks = []
                for name, array in arrays.items():
                    if name in self.images:
                        tasks.append(self._task(name, array, _read_bytes(streams[name], array, count)))
                    else:
                        values[name] = self._column(name, _read_values(streams[name], array, count), first_row)
                yield (first_row, count, values), tasks

    def _task(self, name: str, array: Array, content: bytes) -> Task:
        height, width = array.shape[:2]
        channels = array.shape[2] if len(array.shape) == 3 else 1
        limits = Limits(self.images[name].max_pixels, self.images[name].animated)
        return Task(limits, shape=(height, width, channels), blob=content, size_bytes=len(content))

    @cached_property
    def _arrays(self) -> dict[str, Array]:
        """Name → array.

        Raises: UserError if a file can't be read, or an array is no column.
        """
        arrays: dict[str, Array] = {}
        names: list[str] = []
        with self._reading():
            for name, file, opened in self._files():
                with opened as stream:
                    shape, is_fortran, dtype = _read_header(stream)
                names.append(name)
                self._check_array(name, shape, dtype, is_fortran=is_fortran)
                arrays[name] = Array(file, dtype, shape[0], shape[1:])
        if not arrays:
            raise UserError(f"{self.path}: holds no array. Expected one a column. Mend or remove the file.")
        check_names(str(self.path), names, "Rename the arrays.")
        lengths = {array.length for array in arrays.values()}
        if len(lengths) > 1:
            shown = ", ".join(f"{name!r} {array.length:,}" for name, array in arrays.items())
            raise UserError(
                f"{self.path}: the arrays are of different lengths: {shown}. Expected a value a record in each. Mend the file."
            )
        return arrays

    def _check_array(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], *, is_fortran: bool) -> None:
        if dtype.kind not in _KINDS or (dtype.kind == "f" and dtype.itemsize > 8):
            found = _OTHERS.get(dtype.kind, f"values of the type {dtype}")
            fix = (
                "Save it as strings or numbers, as by array.astype(str)."
                if dtype.kind == "O"
                else "Save it as one of these, or leave it out of the file."
            )
            raise UserError(f"{self.path}: array {name!r} holds {found}. Expected numbers, booleans, strings or dates. {fix}")
        if name in self.images:
            self._check_images(name, shape, dtype, is_fortran=is_fortran)
        elif len(shape) != 1:
            raise UserError(
                f"{self.path}: array {name!r} is of the shape {shape}. Expected one dimension, with a value a record. "
                "Name it in data.images if it holds images, save its columns as arrays of their own, or leave it out."
            )

    def _check_images(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], *, is_fortran: bool) -> None:
        is_shape = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3, 4))
        if not is_shape or 0 in shape[1:] or dtype != np.uint8:
            raise UserError(
                f"{self.path}: array {name!r} of data.images is of the shape {shape} and the type {dtype}. Expected "
                f"{_IMAGE_SHAPE}. Convert it, as by (255 * array).astype(np.uint8)."
            )
        if is_fortran:
            raise UserError(
                f"{self.path}: array {name!r} of data.images lies in Fortran's order, image by image nowhere. Expected C's. "
                "Save np.ascontiguousarray(array)."
            )
        if shape[1] * shape[2] > self.images[name].max_pixels:
            raise UserError(
                f"{self.path}: the images of array {name!r} have {shape[2]:,} × {shape[1]:,} pixels. Expected at most "
                f"{self.images[name].max_pixels:,}. Shrink them, or raise data.images.{name}.max_pixels."
            )

    def _column(self, name: str, values: np.ndarray, first_row: int) -> pa.Array:
        if values.dtype.kind == "S":
            try:
                return pa.array(values, pa.binary()).cast(pa.string()).cast(pa.binary())
            except pa.ArrowInvalid:
                self._raise_undecodable(name, values, first_row)
        if values.dtype.kind == "M" and values.dtype.name not in _ARROW_TIMES:
            values = values.astype("datetime64[D]" if values.dtype.name in _LONG_TIMES else "datetime64[s]")
        return to_column(pa.array(values, from_pandas=values.dtype.kind == "M"), keep_nan=name in self.keep_nan)

    def _raise_undecodable(self, name: str, values: np.ndarray, first_row: int) -> None:
        for row, value in enumerate(values.tolist(), start=first_row + 1):
            try:
                value.decode()
            except UnicodeDecodeError:
                raise UserError(
                    f"{self.path}, row {row}: array {name!r}: {value!r} is not valid utf-8. Expected text. "
                    "Save it as strings of Unicode, as by np.char.decode(array, 'cp1252')."
                ) from None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Tells in our words what is wrong with the file."""
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
            raise UserError(
                f"{self.path}: cannot be read: {error}. Expected {self.kind_of_file}. Mend or remove the file."
            ) from error


_ARROW_TIMES = {f"datetime64[{unit}]" for unit in ("D", "s", "ms", "us", "ns")}
_LONG_TIMES = {f"datetime64[{unit}]" for unit in ("Y", "M", "W")}


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the first index runs fastest, and type of the array that begins here."""
    version = npy.read_magic(stream)
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    if version == (2, 0):
        return npy.read_array_header_2_0(stream)
    raise ValueError(f"version {version} of the .npy format")


def _read_bytes(stream: IO[bytes], array: Array, count: int) -> bytes:
    """The next records."""
    content = stream.read(count * array.row_bytes)
    if len(content) != count * array.row_bytes:
        raise EOFError(f"{array.file} ends early")
    return content


def _read_values(stream: IO[bytes], array: Array, count: int) -> np.ndarray:
    content = _read_bytes(stream, array, count)
    if not content:  # strings that are all empty take no bytes
        return np.zeros(count, array.dtype)
    values = np.frombuffer(content, array.dtype)
    return values.astype(array.dtype.newbyteorder("="), copy=False)
