"""Messages between client and server: JSON, after its length. The first one of a stage carries open files."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!I")
_CREDENTIALS = struct.Struct("3i")
MAX_BYTES = 16 << 20
"""More than the arguments and the environment of a process can take."""
NUM_FILES = 4
"""Standard input, output and error, and the working directory."""


def send(connection: socket.socket, message: dict[str, Any], files: tuple[int, ...] = ()) -> None:
    """Sends a message. Raises: OSError."""
    body = json.dumps(message).encode()  # pure ASCII, also for names that are not UTF-8
    if files:
        socket.send_fds(connection, [_LENGTH.pack(len(body))], files)
        connection.sendall(body)
    else:
        connection.sendall(_LENGTH.pack(len(body)) + body)


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next message; None if the other side is gone. Raises: OSError; ValueError if it is no message."""
    length = _read(connection, _LENGTH.size)
    return None if length is None else _body(connection, length)


def receive_with_files(connection: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """The next message, and the files that came with it, which are the caller's to close. Raises: as `receive`."""
    length, files, _, _ = socket.recv_fds(connection, _LENGTH.size, NUM_FILES)
    try:
        for file in files:
            os.set_inheritable(file, False)
        if length and len(length) < _LENGTH.size:
            length += _read(connection, _LENGTH.size - len(length)) or b""
        return (_body(connection, length) if length else None), files
    except BaseException:
        for file in files:
            os.close(file)
        raise


def peer(connection: socket.socket) -> tuple[int, int]:
    """(process id, user id) of who is at the other end, as the kernel says."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid


def _body(connection: socket.socket, length: bytes) -> dict[str, Any] | None:
    (size,) = _LENGTH.unpack(length)
    if size > MAX_BYTES:
        raise ValueError(f"a message of {size} bytes")
    body = _read(connection, size)
    message: dict[str, Any] | None = None if body is None else json.loads(body)
    return message


def _read(connection: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            return None
        parts += part
    return bytes(parts)
