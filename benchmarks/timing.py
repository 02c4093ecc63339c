"""Pairs of measurements, and how they are shown."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.cost import Cost


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


def pair(what: str, ours: Sequence[Cost], baseline: Sequence[Cost], *, with_cpu: bool = True) -> dict[str, Any]:
    """As `compare`, of costs that were measured in turns: medians, with memory, and time of processors if it was measured."""
    result: dict[str, Any] = {"what": what}
    measures = {"s": "seconds", **({"cpu_s": "cpu_s"} if with_cpu else {}), "bytes": "peak_bytes"}
    for unit, attribute in measures.items():
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
