"""SIGTERM as an exception, at a moment when it does no harm."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(SystemExit):
    """SIGTERM came: what runs is unwound, and the process leaves with the status that a shell expects (128 + 15)."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)

    def __str__(self) -> str:
        return "SIGTERM: asked to stop"


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Turns SIGTERM into `Terminated`; only the main thread may handle signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Has SIGTERM and Ctrl-C wait until the block, or the function that this decorates, has ended.

    An exception in the middle of a write to SQLite leaves its lock behind, and then nothing can be written any more, not even
    that the run was stopped.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda number, frame: came.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: it was no Python function
        if came:
            signal.raise_signal(came[0])
