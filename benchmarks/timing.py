"""Pairs of measurements, and how they are shown."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.cost import Cost


def compare(what: str, ours: Callable[[], None], baseline: Callable[[], None], repeats: int) -> dict[str, Any]:
    """Medians of `repeats` alternating runs, in seconds by the clock and of processors, and their ratios ours / baseline."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for _ in range(repeats):
        for work, taken in zip((ours, baseline), costs, strict=True):
            started, before = time.perf_counter(), sum(os.times()[:4])
            work()
            taken.append(Cost(time.perf_counter() - started, sum(os.times()[:4]) - before, 0))
    return pair(what, *costs, with_bytes=False)


def pair(
    what: str, ours: Sequence[Cost], baseline: Sequence[Cost], *, with_cpu: bool = True, with_bytes: bool = True
) -> dict[str, Any]:
    """As `compare`, of costs that were measured in turns: medians, also of processors and memory where these were measured."""
    result: dict[str, Any] = {"what": what}
    measures = (("s", "seconds", True), ("cpu_s", "cpu_s", with_cpu), ("bytes", "peak_bytes", with_bytes))
    for unit, attribute, wanted in measures:
        if not wanted:
            continue
        medians = [statistics.median(getattr(cost, attribute) for cost in costs) for costs in (ours, baseline)]
        result |= {f"ours_{unit}": medians[0], f"baseline_{unit}": medians[1]}
        result["ratio" if unit == "s" else f"{unit}_ratio"] = medians[0] / medians[1] if medians[1] else None
    return result | {"repeats": len(ours)}


def row(result: dict[str, Any]) -> str:
    """A line of the table: what, ours, baseline, their ratio, and the same of memory where it was measured."""
    ratio = result["ratio"]
    line = f"{result['what']:<72} {seconds(result['ours_s']):>9}  {seconds(result['baseline_s']):>9}  {_ratio(ratio)}"
    if "ours_bytes" in result:
        sizes = (f"{result[key] / 1e9:5.2f} GB" for key in ("ours_bytes", "baseline_bytes"))
        line += f"   {'  '.join(sizes)}  {_ratio(result['bytes_ratio'])}"
    return line


HEADER = "{:<72} {:>9}  {:>9}  {:>6}   {:>8}  {:>8}  {:>6}".format(
    "what / held against", "ours", "baseline", "ratio", "memory", "baseline", "ratio"
)


def seconds(value: float) -> str:
    """With three digits, in the unit that suits: `602 s`, `0.51 s`, `25.4 ms`, `8.13 µs`."""
    units = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
    factor, unit = next((each for each in units if value >= 0.1 * each[0]), units[-1])
    scaled = value / factor
    digits = 0 if scaled >= 100 else 1 if scaled >= 10 else 2
    return f"{scaled:.{digits}f} {unit}"


def _ratio(ratio: float | None) -> str:
    return f"{'–' if ratio is None else f'{ratio:.3f}':>6}"
