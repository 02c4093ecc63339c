"""Values as bytes: JSON types, bytes and NumPy arrays, nested. What was packed is only ever data: nothing of it is run."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

import numpy as np

_LENGTH = struct.Struct("<Q")
_DIGEST_BYTES = 32
_BYTES, _ARRAY = "$bytes", "$array"


def pack(value: Any) -> bytes:
    """The bytes of a value: dicts with string keys, lists, numbers (inf, NaN), strings, None, bytes, arrays of numbers."""
    blobs: list[bytes] = []

    def plain(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: plain(each) for key, each in part.items()}
        if isinstance(part, list | tuple):
            return [plain(each) for each in part]
        if isinstance(part, bytes):
            blobs.append(part)
            return {_BYTES: len(part)}
        if isinstance(part, np.ndarray):
            blobs.append(part.tobytes())
            return {_ARRAY: part.dtype.str, "shape": part.shape}
        return part.item() if isinstance(part, np.generic) else part

    head = json.dumps(plain(value), ensure_ascii=False).encode()
    body = b"".join([_LENGTH.pack(len(head)), head, *blobs])
    return hashlib.sha256(body).digest() + body


def unpack(packed: bytes) -> Any:
    """The inverse of `pack`, but that tuples are lists. Raises: ValueError if the bytes are damaged."""
    body = memoryview(packed)[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != packed[:_DIGEST_BYTES]:
        raise ValueError("the digest differs")
    (length,) = _LENGTH.unpack(body[: _LENGTH.size])
    offset = _LENGTH.size + length
    head = json.loads(bytes(body[_LENGTH.size : offset]))

    def take(size: int) -> memoryview:
        nonlocal offset
        offset += size
        return body[offset - size : offset]

    def full(part: Any) -> Any:  # in the order in which `pack` met them
        if isinstance(part, dict):
            if _BYTES in part:
                return bytes(take(part[_BYTES]))
            if _ARRAY in part:
                dtype, shape = np.dtype(part[_ARRAY]), part["shape"]
                size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
                return np.frombuffer(take(size), dtype).reshape(shape).copy()
            return {key: full(each) for key, each in part.items()}
        return [full(each) for each in part] if isinstance(part, list) else part

    return full(head)
