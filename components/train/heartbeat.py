"""How a worker shows that it gets on: it counts what it has done, and tells the launcher each second how far it has counted.

TensorFlow's own heartbeats come from a thread of their own. They stop when the process does, and go on when only its Python
waits for ever (for a file on a server that is gone, for a lock): all the others then wait for its gradients, without end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

INTERVAL_S = 1.0

_lock = threading.Lock()
_num_beats = 0


def beat() -> None:
    """Counts one more thing done: the beginning or the end of a step, say."""
    global _num_beats  # noqa: PLW0603  it is the process that gets on
    with _lock:
        _num_beats += 1


def keep_telling(tell: Callable[[int], None]) -> None:
    """Calls `tell(number of beats)` each second from a thread of its own, as long as the process lives."""

    def run() -> None:
        pause = threading.Event()
        while True:
            tell(_num_beats)
            pause.wait(INTERVAL_S)

    threading.Thread(target=run, daemon=True).start()
