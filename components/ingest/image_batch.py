"""Many images at once, as processes hand them to each other: where they lie, what became of them, and the work between.

A task says where the bytes of some images are; `process` reads, checks and measures them. Both sides travel as plain arrays
behind a JSON header. Imports NumPy and Pillow alone, since every worker process imports this module.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from components.ingest.image_codec import ARRAY_CONVERTED, FORMATS, Checked, Limits, UnusableImageError, check, encode_png

MEMBER = np.dtype([("offset", "<i8"), ("packed", "<i8"), ("size", "<i8"), ("crc", "<u4"), ("method", "<i2")])
"""Where an image lies in an archive: the offset of its entry, its bytes there and unpacked, checksum, method. The methods are
`STORED` and `DEFLATED` of zip, behind a local header, and `PLAIN`, which has neither header nor checksum."""
STORED, DEFLATED, PLAIN = 0, 8, -1
IMAGE = np.dtype(
    [
        ("length", "<i8"),
        ("digest", "<u8"),
        ("width", "<i4"),
        ("height", "<i4"),
        ("brightness", "<f4"),
        ("contrast", "<f4"),
        ("channels", "u1"),
        ("format", "u1"),
        ("converted", "u1"),
    ]
)
"""What is measured of an image: see `image_codec.Checked`; `length` of the content in bytes, `digest` of it as 64 bits."""
MOST_MEMBER_BYTES = 512 << 20
"""No image's file may be longer, packed or unpacked."""
_MOST_RATIO, _ANY_RATIO_BYTES = 200, 64 << 20
"""A member that unpacks to more than this many times its size is refused, unless it stays small."""
_LOCAL_HEADER = 30
_USUAL_HEADER = 256
_FLUSH_BYTES = 1 << 20
_FRAME = struct.Struct("<QQQ")


@dataclass(frozen=True)
class Task:
    """Images to read.

    Attributes:
        limits: What is allowed.
        paths: Files that hold an image each, or
        archive: the file in which they lie, at
        members: these places (`MEMBER`, [images]); or
        lengths: of the images in `blob`, one after the other; or
        shape: (height, width, channels) of the pixels in `blob`.
        blob: The bytes themselves.
        size_bytes: Of all the images' files, about.
    """

    limits: Limits
    paths: list[str] = field(default_factory=list)
    archive: str = ""
    members: np.ndarray | None = None
    lengths: list[int] = field(default_factory=list)
    shape: tuple[int, int, int] | None = None
    blob: bytes | memoryview = b""
    size_bytes: int = 0

    @property
    def num_images(self) -> int:
        """How many images there are to read."""
        if self.shape is not None:
            return len(self.blob) // math.prod(self.shape)
        return len(self.paths) + len(self.lengths) + (0 if self.members is None else len(self.members))


@dataclass(frozen=True)
class Fault:
    """Why an image is none; see `image_codec.UnusableImageError`."""

    index: int
    rule: str
    problem: str
    expected: str
    fix: str


@dataclass(frozen=True)
class Images:
    """What became of a task.

    Attributes:
        table: `IMAGE`, [images]; all zero where there is a fault.
        blob: The contents, one after the other.
        faults: Of the images that can't be taken, in order.
    """

    table: np.ndarray
    blob: bytes
    faults: list[Fault]


def process(task: Task) -> Images:
    """Reads, checks and measures the images.

    Raises: OSError if an archive can't be read.
    """
    if task.shape is not None:
        return _encode(task, task.shape)
    batch = _Batch()
    for content in contents(task):
        if isinstance(content, bytes):
            try:
                batch.add(check(content, task.limits))
            except UnusableImageError as error:
                batch.refuse(error)
        else:
            batch.refuse(content)
    return batch.done()


class _Batch:
    """Gathers images; brightness and contrast are computed for all images of one size together."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, ...]] = []
        self._contents: list[bytes] = []
        self._faults: list[Fault] = []
        self._luminances: dict[int, tuple[list[int], list[bytes]]] = {}
        self._num_bytes = 0
        self._measured: list[tuple[list[int], np.ndarray, np.ndarray]] = []

    def add(self, image: Checked) -> None:
        size = len(image.luminance)
        rows, luminances = self._luminances.setdefault(size, ([], []))
        rows.append(len(self._rows))
        luminances.append(image.luminance)
        digest = int.from_bytes(hashlib.sha256(image.content).digest()[:8], "little")
        self._rows.append(
            (len(image.content), digest, image.width, image.height, 0, 0, image.channels, image.format, image.converted)
        )
        self._contents.append(image.content)
        self._num_bytes += size
        if self._num_bytes > _FLUSH_BYTES:
            self._measure()

    def refuse(self, error: UnusableImageError) -> None:
        self._faults.append(Fault(len(self._rows), error.rule, error.problem, error.expected, error.fix))
        self._rows.append((0,) * len(IMAGE.names or ()))

    def done(self) -> Images:
        self._measure()
        table = np.array(self._rows, IMAGE)
        for rows, brightness, contrast in self._measured:
            table["brightness"][rows] = brightness
            table["contrast"][rows] = contrast
        return Images(table, b"".join(self._contents), self._faults)

    def _measure(self) -> None:
        for rows, luminances in self._luminances.values():
            pixels = np.frombuffer(b"".join(luminances), np.uint8).reshape(len(rows), -1)
            self._measured.append((rows, *measure(pixels)))
        self._luminances.clear()
        self._num_bytes = 0


def measure(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of luminances (uint8, [images, pixels]), both float32, [images], in 0…1."""
    # Sums of such integers are exact in 64-bit floats, whatever their order.
    values = pixels.astype(np.float64)
    mean = values.sum(axis=1) / pixels.shape[1]
    variance = np.einsum("ij,ij->i", values, values) / pixels.shape[1] - mean * mean
    return (mean / 255.0).astype(np.float32), (np.sqrt(np.maximum(variance, 0.0)) / 255.0).astype(np.float32)


def contents(task: Task) -> Iterator[bytes | UnusableImageError]:
    """The bytes of each image, or why there are none."""
    if task.archive:
        yield from read_members(task.archive, task.members if task.members is not None else np.empty(0, MEMBER))
    elif task.lengths:
        view, start = memoryview(task.blob), 0
        for length in task.lengths:
            yield bytes(view[start : start + length])
            start += length
    for path in task.paths:
        yield read_file(path)


def read_file(path: str) -> bytes | UnusableImageError:
    """The content of a file, or why there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            size = os.fstat(descriptor).st_size
            if size > MOST_MEMBER_BYTES:
                return _too_long(size)
            content = os.read(descriptor, size)
            while len(content) < size:  # a read may end early
                more = os.read(descriptor, size - len(content))
                if not more:
                    break
                content += more
            return content
        finally:
            os.close(descriptor)
    except OSError as error:
        return UnusableImageError("missing_file", f"the file can't be read: {error.strerror}", "a readable file")


def read_members(archive: str, members: np.ndarray) -> Iterator[bytes | UnusableImageError]:
    """The content of each member (`MEMBER`, [images]) of an archive, or why there is none; never more than it declares."""
    with open(archive, "rb", buffering=0) as file:  # noqa: PTH123  the fastest way
        for offset, packed, size, crc, method in members.tolist():
            yield _read_member(file.fileno(), offset, packed, size, crc, method)


def _read_member(descriptor: int, offset: int, packed: int, size: int, crc: int, method: int) -> bytes | UnusableImageError:
    if max(size, packed) > MOST_MEMBER_BYTES:
        return _too_long(max(size, packed))
    if method == PLAIN:
        return os.pread(descriptor, size, offset)
    if size > max(_ANY_RATIO_BYTES, _MOST_RATIO * packed):
        return UnusableImageError(
            "image", f"{packed:,} bytes of the archive unpack to {size:,}", f"at most {_MOST_RATIO} times as many"
        )
    content = os.pread(descriptor, packed + _USUAL_HEADER, offset)
    if content[:4] != b"PK\x03\x04" or len(content) < _LOCAL_HEADER:
        return _damaged("the archive has no entry where its directory says")
    # The lengths of name and extra field stand there again, and may differ from those of the directory.
    start = _LOCAL_HEADER + sum(struct.unpack_from("<HH", content, 26))
    content = content[start : start + packed]
    if len(content) < packed:
        content = os.pread(descriptor, packed, offset + start)
    if method == DEFLATED:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = unpacker.decompress(content, size + 1)
        except zlib.error as error:
            return _damaged(f"it does not unpack: {error}")
    if len(content) != size or zlib.crc32(content) != crc:
        return _damaged("its size or checksum is not the one that the archive has for it")
    return content


def _too_long(size: int) -> UnusableImageError:
    return UnusableImageError("image", f"the file has {size:,} bytes", f"at most {MOST_MEMBER_BYTES:,}")


def _damaged(problem: str) -> UnusableImageError:
    return UnusableImageError("image", problem, "an undamaged member", "Make the archive anew")


def _encode(task: Task, shape: tuple[int, int, int]) -> Images:
    """PNGs of the pixels (uint8, [images, height, width, channels])."""
    height, width, channels = shape
    pixels = np.frombuffer(task.blob, np.uint8).reshape(-1, height, width * channels)
    rows = np.empty((len(pixels), height, 1 + width * channels), np.uint8)
    rows[:, :, 0] = 2  # each row but for the first is written as its difference to the one above, which packs better
    rows[:, 0, 1:] = pixels[:, 0]
    np.subtract(pixels[:, 1:], pixels[:, :-1], out=rows[:, 1:, 1:])
    contents = [encode_png(image.tobytes(), width, height, channels) for image in rows]
    table = np.zeros(len(pixels), IMAGE)
    table["length"] = [len(content) for content in contents]
    digests = b"".join(hashlib.sha256(content).digest()[:8] for content in contents)
    table["digest"] = np.frombuffer(digests, "<u8")
    table["width"], table["height"], table["channels"] = width, height, channels
    table["format"], table["converted"] = FORMATS.index("array"), ARRAY_CONVERTED
    if channels == 1:
        luminance = pixels.reshape(len(pixels), -1)
    else:
        colors = pixels.reshape(len(pixels), height * width, channels)[:, :, :3].astype(np.uint32)
        # ITU-R 601-2, in the fixed-point numbers that Pillow takes.
        luminance = ((colors @ np.array([19595, 38470, 7471], np.uint32) + 0x8000) >> 16).astype(np.uint8)
    for start in range(0, len(luminance), step := max(1, _FLUSH_BYTES // luminance.shape[1])):
        part = slice(start, start + step)
        table["brightness"][part], table["contrast"][part] = measure(luminance[part])
    return Images(table, b"".join(contents), [])


def write_task(file: IO[bytes], task: Task) -> None:
    """Hands a task to the process at the other end."""
    header = {
        "limits": task.limits,
        "paths": task.paths,
        "archive": task.archive,
        "lengths": task.lengths,
        "shape": task.shape,
    }
    _write(file, header, task.members, task.blob)


def read_task(file: IO[bytes]) -> Task | None:
    """What `write_task` wrote; None at the end."""
    found = _read(file)
    if found is None:
        return None
    header, table, blob = found
    return Task(
        Limits(*header["limits"]),
        header["paths"],
        header["archive"],
        np.frombuffer(table, MEMBER),
        header["lengths"],
        None if header["shape"] is None else tuple(header["shape"]),
        blob,
    )


def write_images(file: IO[bytes], images: Images) -> None:
    """Hands the result back."""
    _write(file, [vars(fault) for fault in images.faults], images.table, images.blob)


def read_images(file: IO[bytes]) -> Images | None:
    """What `write_images` wrote; None at the end."""
    found = _read(file)
    if found is None:
        return None
    header, table, blob = found
    return Images(np.frombuffer(table, IMAGE), blob, [Fault(**fault) for fault in header])


def _write(file: IO[bytes], header: Any, table: np.ndarray | None, blob: bytes | memoryview) -> None:
    # Names may hold lone surrogates: JSON escapes them.
    text = json.dumps(header).encode()
    rows = b"" if table is None else table.tobytes()
    file.write(_FRAME.pack(len(text), len(rows), len(blob)) + text + rows)
    file.write(blob)
    file.flush()


def _read(file: IO[bytes]) -> tuple[Any, bytes, bytes] | None:
    frame = file.read(_FRAME.size)
    if len(frame) < _FRAME.size:
        return None
    parts = [file.read(size) for size in _FRAME.unpack(frame)]
    if any(len(part) != size for part, size in zip(parts, _FRAME.unpack(frame), strict=True)):
        return None
    return json.loads(parts[0]), parts[1], parts[2]
