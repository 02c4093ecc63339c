"""Results such as `make bench` keeps, small and made up."""

from __future__ import annotations

from typing import Any

STOCK_S = {
    "everything": (120.0, 600.0),
    "nothing changed": (2.0, 28.0),
    "train changed": (30.0, 75.0),
    "ingest": (5.0, 212.0),
    "validate": (9.0, 40.0),
    "transform": (40.0, 162.0),
    "train": (25.0, 20.0),
    "evaluate": (15.0, 164.0),
    "register": (3.0, 1.0),
}
CORE_S_A_MILLION_ROWS = {"ingest": 5.0, "validate": 10.0, "transform": 50.0, "train": 0.5, "evaluate": 20.0}
START_S = 4.0
MACHINE = {"cores": 2, "memory_bytes": 25 * 10**9, "python": "3.11.7", "system": "Linux"}


def benchmarks() -> dict[str, Any]:
    """Benchmark → its entry in results.json."""
    stock = []
    for name, (ours, baseline) in STOCK_S.items():
        kind = "case" if " " in name or name == "everything" else "stage"
        costs = {"ours_s": ours, "baseline_s": baseline, "ratio": ours / baseline}
        stock.append({"what": name, **costs, kind: name, "num_rows": 1_005_134})
    growth = []
    for stage, rate in CORE_S_A_MILLION_ROWS.items():
        for num_rows in (10_000, 300_000, 3_000_000):
            stage_s = START_S + rate * num_rows / 1e6
            row = {"ours_s": stage_s / num_rows, "baseline_s": 1e-5, "ratio": 1.0, "ours_bytes": 10**9}
            growth.append({"what": stage, "stage": stage, "num_rows": num_rows, "stage_cpu_s": stage_s, **row})
    training = [{"what": "train taxi", "ours_s": 1.0, "baseline_s": 1.0, "ratio": 1.0, "rows_per_cpu_s": 50_000.0}]
    entry = {"commit": "abc1234", "machine": MACHINE}
    found = {"stock": stock, "growth": growth, "training": training}
    return {name: {**entry, "results": results} for name, results in found.items()}
