"""Pairs of measurements."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def compare(what: str, ours: Callable[[], None], baseline: Callable[[], None], repeats: int) -> dict[str, Any]:
    """Medians of `repeats` alternating runs, in seconds, and their ratio ours / baseline."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for work, taken in zip((ours, baseline), times, strict=True):
            started = time.perf_counter()
            work()
            taken.append(time.perf_counter() - started)
    ours_s, baseline_s = map(statistics.median, times)
    return {"what": what, "ours_s": ours_s, "baseline_s": baseline_s, "ratio": ours_s / baseline_s, "repeats": repeats}
