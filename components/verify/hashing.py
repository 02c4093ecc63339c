"""Digests of many files at once, with word of how far it is."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from components import progress

_CHUNK_BYTES = 1 << 20
_TELL_EVERY_S = 2.0


def digests(paths: Iterable[Path], algorithm: str, what: str) -> dict[Path, str]:
    """The digest of each file that is there and can be read, in threads: hashlib lets go of the interpreter's lock.

    A file that several paths name, as DVC's links to its cache do, is read once.

    Args:
        paths: Of files.
        algorithm: Of hashlib.
        what: What these files are, for whoever hears how far it is.
    """
    places: dict[tuple[int, int], list[Path]] = {}
    num_bytes = 0
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        inode = (status.st_dev, status.st_ino)
        num_bytes += status.st_size if inode not in places else 0
        places.setdefault(inode, []).append(path)
    tell = _teller(num_bytes, what)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda same: _digest(same[0], algorithm, tell), places.values())
        return {path: digest for same, digest in zip(places.values(), found, strict=True) if digest for path in same}


def _digest(path: Path, algorithm: str, tell: Callable[[int], None]) -> str | None:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                tell(len(chunk))
    except OSError:
        return None
    return digest.hexdigest()


def _teller(num_bytes: int, what: str) -> Callable[[int], None]:
    """Adds up, and tells now and then; threads may count some bytes too few, which shows in no result."""
    started = told = time.monotonic()
    done = 0

    def tell(more: int) -> None:
        nonlocal done, told
        done += more
        now = time.monotonic()
        if now - told > _TELL_EVERY_S:
            told = now
            speed = done / 1e6 / (now - started)
            progress.tell(f"{what}: {done / 1e6:,.0f} of {num_bytes / 1e6:,.0f} MB read, {speed:,.0f} MB/s")

    return tell
