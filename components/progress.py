"""Lets long work tell how far it is, without knowing who listens.

A component publishes; the bridge listens and passes on to the terminal and the tracking store. Under TFX's own runners
nobody listens, and nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Hearer = Callable[[str], None]
Listener = Callable[[Mapping[str, float], int, int], None]
_listeners: list[Listener] = []
_again: list[Listener] = []
_hearers: list[Hearer] = []


@contextmanager
def listening(listener: Listener, *, again: bool = False) -> Iterator[None]:
    """Calls `listener(metrics, step, num_steps)` for whatever is published within the block.

    Args:
        listener: What to call.
        again: For what is published `again`, and only for that: for who keeps a record, and may have missed it.
    """
    listeners = _again if again else _listeners
    listeners.append(listener)
    try:
        yield
    finally:
        listeners.remove(listener)


def publish(metrics: Mapping[str, float], step: int, num_steps: int, *, again: bool = False) -> None:
    """Tells that step `step` of `num_steps` (both count from 1) ended with `metrics`.

    Args:
        metrics: By name.
        step: Which.
        num_steps: Of how many.
        again: It ended in a process before this one, which was killed, and may have told of it or not.
    """
    for listener in _again if again else _listeners:
        listener(metrics, step, num_steps)


@contextmanager
def hearing(hearer: Hearer) -> Iterator[None]:
    """Calls `hearer(text)` for whatever is told within the block."""
    _hearers.append(hearer)
    try:
        yield
    finally:
        _hearers.remove(hearer)


def tell(text: str) -> None:
    """Tells what is no metric, and whoever watches should know at once: that work begins anew, say."""
    for hearer in _hearers:
        hearer(text)
