"""Sampled requests as tf.Examples of raw columns, for the comparison of what is served with what was trained on.

Files are gzip TFRecord in artifacts/NAME/serving_log. One is written under its name with `.partial`, and gets its name when it
is full, old, or the server stops. What a killed server left is mended by the next one.
"""

from __future__ import annotations

import fcntl
import gzip
import logging
import os
import queue
import struct
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from components.serve.contract import Contract
from components.serve.metrics import Metrics
from components.serve.served import columns_of
from components.tf_example import encode
from components.tfrecord_writer import frame

FOLDER = "serving_log"
_SUFFIX = ".tfrecord.gz"
_PARTIAL = ".partial"
_NEW = ".new"
_MOST_WAITING = 1024
_FLUSH_EVERY_S = 1.0
_FLUSH_EVERY_BYTES = 1 << 16
_HEADER = struct.Struct("<Q4x")
_FOOTER_BYTES = 4
_logger = logging.getLogger("tensorline.serve")


@dataclass(frozen=True)
class _Rows:
    """Sampled rows of one request: arrays as `serve_raw` takes them, or serialized examples."""

    arrays: dict[str, np.ndarray]
    contract: Contract | None

    def encoded(self) -> pa.Array:
        if self.contract is None:
            return pa.array(self.arrays["examples"].tolist(), pa.binary())
        number = len(next(iter(self.arrays.values())))
        return encode(columns_of(self.arrays, self.contract), number)


class RequestLog:
    """Writes in a thread of its own; a request never waits for it.

    Args:
        folder: Made if missing.
        sample: The share of rows that is logged, 0..1.
        most_bytes: That all files take together; the oldest go first.
        metrics: Told of every row.
        file_bytes: After which a file is full.
        file_s: After which a file is old.
        seed: Of the sampling; None for another one each time.
    """

    def __init__(
        self,
        folder: Path,
        sample: float,
        most_bytes: int,
        metrics: Metrics,
        *,
        file_bytes: int = 8 << 20,
        file_s: float = 600.0,
        seed: int | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._sample, self._most_bytes, self._metrics = folder, sample, most_bytes, metrics
        self._file_bytes, self._file_s = min(file_bytes, most_bytes // 4), file_s
        self._random = np.random.default_rng(seed)
        self._queue: queue.Queue[_Rows | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._write_all, name="request log", daemon=True)
        self._number = 0
        self._file: IO[bytes] | None = None
        self._partial = Path()
        self._opened_at = 0.0
        self._unflushed = 0
        mend(folder)
        self._thread.start()

    def add(self, arrays: Mapping[str, np.ndarray], num_rows: int, contract: Contract | None) -> None:
        """Takes its sample of the rows.

        Args:
            arrays: Raw columns by name; without `contract`, serialized examples as `examples`.
            num_rows: Of each.
            contract: What the columns are.
        """
        chosen = np.flatnonzero(self._random.random(num_rows) < self._sample)
        if not len(chosen):
            return
        try:
            self._queue.put_nowait(_Rows({name: array[chosen] for name, array in arrays.items()}, contract))
        except queue.Full:
            self._metrics.unlogged.inc(len(chosen))

    def close(self) -> None:
        """Writes what waits, and gives the last file its name."""
        self._queue.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        is_ending = False
        while not is_ending:
            try:
                rows = self._queue.get(timeout=_FLUSH_EVERY_S)
                is_ending = rows is None
            except queue.Empty:
                rows = None
            try:
                if rows is not None:
                    self._write(rows)
                if self._file is not None:
                    if is_ending or self._is_full():
                        self._publish()
                    elif rows is None:
                        self._flush()
            except OSError as error:
                _logger.error("the request log can not be written: %s", error)
                self._file = None

    def _write(self, rows: _Rows) -> None:
        framed = frame(rows.encoded()).to_pylist()
        if self._file is None:
            self._open()
        assert self._file is not None  # noqa: S101  for the type checker
        content = b"".join(framed)
        self._file.write(content)
        self._unflushed += len(content)
        if self._unflushed >= _FLUSH_EVERY_BYTES:
            self._flush()
        self._metrics.logged.inc(len(framed))

    def _open(self) -> None:
        self._number += 1
        moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
        self._partial = self._folder / f"requests-{moment}-{os.getpid()}-{self._number:06d}{_SUFFIX}{_PARTIAL}"
        new = self._partial.with_suffix(_NEW)
        raw = new.open("xb")
        fcntl.flock(raw, fcntl.LOCK_EX)  # says that somebody writes it, before `mend` of another server can see it
        new.rename(self._partial)
        self._raw = raw
        self._file = gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=5, mtime=0)  # type: ignore[assignment]
        self._opened_at = time.monotonic()
        self._unflushed = 0

    def _flush(self) -> None:
        """So that a kill loses little, and the file's size is known."""
        assert self._file is not None  # noqa: S101  for the type checker
        if self._unflushed:
            self._file.flush()
            self._unflushed = 0

    def _is_full(self) -> bool:
        return self._raw.tell() >= self._file_bytes or time.monotonic() - self._opened_at >= self._file_s

    def _publish(self) -> None:
        assert self._file is not None  # noqa: S101  for the type checker
        self._file.close()
        self._partial.rename(self._partial.with_suffix(""))
        self._raw.close()
        self._file = None
        _remove_oldest(self._folder, self._most_bytes)


def mend(folder: Path) -> None:
    """Gives the files that killed servers left their names, cut after the last whole record; empty ones are removed."""
    for partial in sorted(folder.glob(f"*{_SUFFIX}{_PARTIAL}")):
        with partial.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # another server writes it
            whole = _whole_records(file.read())
            if whole:
                mended = partial.with_suffix(_NEW)
                with gzip.GzipFile(mended, "wb", compresslevel=5, mtime=0) as out:
                    out.write(whole)
                mended.rename(partial.with_suffix(""))
            partial.unlink()


def _whole_records(compressed: bytes) -> bytes:
    """What can be read of a gzip file that ends anywhere, up to the last record that is whole."""
    content = b""
    try:
        content = zlib.decompressobj(wbits=31).decompress(compressed)
    except zlib.error:
        return b""
    end = 0
    while end + _HEADER.size <= len(content):
        following = end + _HEADER.size + _HEADER.unpack_from(content, end)[0] + _FOOTER_BYTES
        if following > len(content):
            break
        end = following
    return content[:end]


def _remove_oldest(folder: Path, most_bytes: int) -> None:
    files = sorted(folder.glob(f"*{_SUFFIX}"))
    sizes = [file.stat().st_size for file in files]
    excess = sum(sizes) - most_bytes
    for file, size in zip(files, sizes, strict=True):
        if excess <= 0:
            break
        file.unlink(missing_ok=True)  # several servers may clear up
        excess -= size
