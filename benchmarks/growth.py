"""How time and memory grow with the rows: every stage as `dvc repro` runs it, cold, on taxi's rows again and again.

Stock TFX's recipe trains a fixed number of steps, so that of `train` only reading the data grows.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cost import Cost, measure
from benchmarks.stock.repository import NAME, environment, prepare_rows

ROWS = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)
REFERENCE_ROWS = 300_000
"""A stage's time a row is held against that at so many rows, and its memory as a whole."""
STAGES = ("ingest", "validate", "transform", "train", "evaluate")
"""Measured; `tune` runs in between, and tries nothing."""


def run(rows: Sequence[int] = ROWS) -> Iterator[dict[str, Any]]:
    """Yields a result for each stage and number of rows.

    In a result `ours_s` is the time a row, `stage_s` that of the whole stage; the baseline is the same stage at
    `REFERENCE_ROWS`, or where that is not among `rows`, at the most rows.
    """
    costs = {num_rows: _costs(num_rows) for num_rows in sorted(rows)}
    reference = REFERENCE_ROWS if REFERENCE_ROWS in costs else max(costs)
    for stage in STAGES:
        for num_rows in costs:
            yield _result(stage, num_rows, costs[num_rows][stage], reference, costs[reference][stage])


def _costs(num_rows: int) -> dict[str, Cost]:
    """Stage → its cost, each in processes of its own."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="tensorline-") as temporary:
        root, _ = prepare_rows(Path(temporary), num_rows)
        variables = {**environment(root), "TENSORLINE_WARM": "0"}
        for stage in ("ingest", "validate", "transform", "tune", "train", "evaluate"):
            command = [sys.executable, "-m", f"components.{stage}", NAME]
            found[stage] = measure(command, root, Path(temporary) / "log", variables)
            print(f"growth: {num_rows:,} rows, {stage}: {found[stage].seconds:.1f} s", file=sys.stderr, flush=True)
    return found


def _result(stage: str, num_rows: int, cost: Cost, reference: int, reference_cost: Cost) -> dict[str, Any]:
    ours, baseline = cost.seconds / num_rows, reference_cost.seconds / reference
    return {
        "what": f"{stage}, a row, of {num_rows:,} rows / of {reference:,}",
        "ours_s": ours,
        "baseline_s": baseline,
        "ratio": ours / baseline,
        "ours_bytes": cost.peak_bytes,
        "baseline_bytes": reference_cost.peak_bytes,
        "bytes_ratio": cost.peak_bytes / reference_cost.peak_bytes,
        "stage": stage,
        "num_rows": num_rows,
        "stage_s": cost.seconds,
        "stage_cpu_s": cost.cpu_s,
        "repeats": 1,
    }
