"""Holds the version that is served, and lets the champion take its place when the alias moves."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Protocol

from components.serve.metrics import Metrics
from components.serve.served import Served

_RETRY_S = 60.0
_logger = logging.getLogger("tensorline.serve")


class Source(Protocol):
    """Where versions come from."""

    def wanted(self) -> str:
        """The version that should be served. Raises: TensorlineError if there is none."""

    def load(self, version: str) -> Served:
        """Loads and warms a version. Raises: TensorlineError if it can't be."""


class Keeper:
    """A thread asks the registry now and then; a new champion is loaded and warmed in it, aside.

    Whoever answers a request takes `current` once and holds it: so requests in flight finish on the version that they began
    with, and that is let go with the last of them.

    Args:
        source: Of versions.
        first: The version that is served at first.
        poll_s: How often the registry is asked.
        metrics: Told of every reload.
        retry_s: When a version that can't be loaded is tried again.
    """

    def __init__(self, source: Source, first: Served, poll_s: float, metrics: Metrics, retry_s: float = _RETRY_S) -> None:
        self.current = first
        self._source, self._poll_s, self._metrics, self._retry_s = source, poll_s, metrics, retry_s
        self._loading: str | None = None
        self._failed: tuple[str, float] | None = None
        self._told = ""
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="champion", daemon=True)
        metrics.version.labels(first.name, first.version).set(1)

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; a version that is being loaded is waited for."""
        self._is_ending.set()
        self._thread.join()

    def status(self) -> list[dict[str, Any]]:
        """TensorFlow Serving's `model_version_status`: the version that is served, and one that is about to be or can't be."""
        found = [_status(self.current.version, "AVAILABLE", "OK", "")]
        loading, failed = self._loading, self._failed
        if loading is not None:
            found.insert(0, _status(loading, "LOADING", "OK", ""))
        elif failed is not None:
            found.insert(0, _status(failed[0], "END", "UNKNOWN", "it could not be loaded; the server's log says why"))
        return found

    def check(self) -> bool:
        """Asks once; whether another version took over."""
        version = ""
        try:
            version = self._source.wanted()
            if version == self.current.version:
                self._failed = None
                self._told = ""
                return False
            if self._failed is not None and self._failed[0] == version and time.monotonic() < self._failed[1]:
                return False
            self._loading = version
            served = self._source.load(version)
        except Exception as error:  # noqa: BLE001  whatever is wrong with it, the version before it goes on
            self._metrics.reload_failures.inc()
            if version:
                self._failed = version, time.monotonic() + self._retry_s
            message = f"{f'version {version} can not be loaded' if version else 'the registry can not be read'}: {error}"
            if message != self._told:  # once, not every few seconds
                _logger.error("%s. Version %s goes on.", message.rstrip("."), self.current.version)
                self._told = message
            return False
        finally:
            self._loading = None
        before = self.current
        self.current = served
        self._failed, self._told = None, ""
        self._metrics.version.labels(before.name, before.version).set(0)
        self._metrics.version.labels(served.name, served.version).set(1)
        self._metrics.reloads.inc()
        _logger.warning("version %s takes the place of version %s", served.version, before.version)
        return True

    def _watch(self) -> None:
        while not self._is_ending.wait(self._poll_s):
            self.check()


def _status(version: str, state: str, code: str, message: str) -> dict[str, Any]:
    return {"version": version, "state": state, "status": {"error_code": code, "error_message": message}}
