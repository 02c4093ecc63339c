"""Where the server of a user, an environment and a repository listens, and the lock that keeps it the only one."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import sys

MAX_SOCKET_PATH = 107
"""Bytes of a path that `sockaddr_un` holds, beside its end."""


class UnsafeFolderError(Exception):
    """The folder for sockets is not this user's alone."""


class Place:
    """The files of one server, in a folder that only this user can enter.

    A socket; another one, at which light stages are served while the libraries of the others are imported; a lock, whose time
    tells when the server was started; and a log.

    Args:
        root: The repository's root.

    Raises: UnsafeFolderError if the folder is another user's, or open to others.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        identity = (str(os.getuid()), os.path.realpath(sys.prefix), sys.executable, sys.version, self.root)
        name = hashlib.sha256("\0".join(identity).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.folder = _folder(f"{name}.sock")
        self.socket = f"{self.folder}/{name}.sock"
        self.early_socket = f"{self.folder}/{name}.soon"  # no longer than the other: what holds that one holds this one
        self.log = f"{self.folder}/{name}.log"
        self.lock_file = f"{self.folder}/{name}.lock"

    def lock(self) -> int | None:
        """A file descriptor that holds the lock, which a server keeps while it lives; None if there is a server already."""
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor


def _folder(socket_name: str) -> str:
    """The user's runtime folder, or where there is none, a folder of the user's own in /tmp."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and os.path.isdir(runtime) and os.stat(runtime).st_uid == os.getuid():
        folder = f"{runtime}/tensorline"
        if len(os.fsencode(f"{folder}/{socket_name}")) <= MAX_SOCKET_PATH:
            return _own(folder)
    return _own(f"/tmp/tensorline-{os.getuid()}")  # noqa: S108  whose it is, is looked at


def _own(folder: str) -> str:
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    found = os.lstat(folder)  # not through a link, which anybody may have put into /tmp
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise UnsafeFolderError(
            f"{folder}: expected a folder of user {os.getuid()} that is closed to others (mode 0700), found mode "
            f"{stat.filemode(found.st_mode)} of user {found.st_uid}. Remove it, or set XDG_RUNTIME_DIR to a folder of your own"
        )
    return folder
