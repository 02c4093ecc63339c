"""Reads one NumPy .npz file: arrays of one dimension and equal length, each a column. Nothing in it is ever unpickled.

All arrays are read abreast from the archive, some thousand values at a time, so that memory stays flat.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.lib import format as npy

from components.errors import UserError
from components.ingest.kinds import Kind
from components.ingest.source import BLOCK_BYTES, Block, check_names
from components.ingest.typed import TypedSource, to_column

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


@dataclass(frozen=True)
class _Member:
    """One array of the archive."""

    file: str
    dtype: np.dtype[Any]
    length: int


class NpzSource(TypedSource):
    """One .npz file; see `typed.TypedSource`."""

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """Name → kind, as the arrays' types say."""
        return {name: _KINDS[member.dtype.kind] for name, member in self._members.items()}

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[Block]:
        """See `source.Source`."""
        members = {name: member for name, member in self._members.items() if columns is None or name in columns}
        length = next(iter(self._members.values())).length
        row_bytes = sum(member.dtype.itemsize for member in members.values())
        num_rows = min(_MOST_ROWS, BLOCK_BYTES // max(1, row_bytes) + 1)
        with self._reading(), ExitStack() as stack:
            archive = stack.enter_context(zipfile.ZipFile(self.path))
            streams = {name: stack.enter_context(archive.open(member.file)) for name, member in members.items()}
            for stream in streams.values():
                _read_header(stream)
            for first_row in range(0, length, num_rows):
                count = min(num_rows, length - first_row)
                arrays = {
                    name: self._column(name, _read_values(streams[name], member, count), first_row)
                    for name, member in members.items()
                }
                yield Block(first_row, arrays, count)

    @cached_property
    def _members(self) -> dict[str, _Member]:
        """Name → array.

        Raises: UserError if the file can't be read, or an array is no column.
        """
        members: dict[str, _Member] = {}
        names: list[str] = []
        with self._reading(), zipfile.ZipFile(self.path) as archive:
            for file in archive.namelist():
                with archive.open(file) as stream:
                    shape, dtype = _read_header(stream)
                name = file.removesuffix(".npy")
                names.append(name)
                self._check_array(name, shape, dtype)
                members[name] = _Member(file, dtype, shape[0])
        if not members:
            raise UserError(f"{self.path}: holds no array. Expected one a column. Mend or remove the file.")
        check_names(str(self.path), names, "Rename the arrays.")
        lengths = {member.length for member in members.values()}
        if len(lengths) > 1:
            shown = ", ".join(f"{name!r} {member.length:,}" for name, member in members.items())
            raise UserError(
                f"{self.path}: the arrays are of different lengths: {shown}. Expected a value a record in each. Mend the file."
            )
        return members

    def _check_array(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        if dtype.kind not in _KINDS or (dtype.kind == "f" and dtype.itemsize > 8):
            found = _OTHERS.get(dtype.kind, f"values of the type {dtype}")
            fix = (
                "Save it as strings or numbers, as by array.astype(str)."
                if dtype.kind == "O"
                else "Save it as one of these, or leave it out of the file."
            )
            raise UserError(f"{self.path}: array {name!r} holds {found}. Expected numbers, booleans, strings or dates. {fix}")
        if len(shape) != 1:
            raise UserError(
                f"{self.path}: array {name!r} is of the shape {shape}. Expected one dimension, with a value a record. "
                "Save its columns as arrays of their own, or leave it out of the file."
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
                f"{self.path}: cannot be read: {error}. Expected a .npz file, as numpy.savez writes. Mend or remove the file."
            ) from error


_ARROW_TIMES = {f"datetime64[{unit}]" for unit in ("D", "s", "ms", "us", "ns")}
_LONG_TIMES = {f"datetime64[{unit}]" for unit in ("Y", "M", "W")}


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array that begins here."""
    version = npy.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, _, dtype = npy.read_array_header_2_0(stream)
    else:
        raise ValueError(f"version {version} of the .npy format")
    return shape, dtype


def _read_values(stream: IO[bytes], member: _Member, count: int) -> np.ndarray:
    size_bytes = count * member.dtype.itemsize
    content = stream.read(size_bytes)
    if len(content) != size_bytes:
        raise EOFError(f"{member.file} ends early")
    if not size_bytes:  # strings that are all empty take no bytes
        return np.zeros(count, member.dtype)
    values = np.frombuffer(content, member.dtype)
    return values.astype(member.dtype.newbyteorder("="), copy=False)
