"""The file in which results are kept: benchmark → when, where and on which commit it was measured, and its results."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("results.json")


def read(path: Path = RESULTS) -> dict[str, Any]:
    """What is kept; nothing if there is no file, or one of before benchmarks had names."""
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")).get("benchmarks", {})
    return found


def write(benchmarks: Mapping[str, Any], path: Path = RESULTS) -> None:
    """Keeps it."""
    path.write_text(json.dumps({"benchmarks": benchmarks}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def results_of(benchmarks: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The results of one benchmark; none if it was not measured."""
    found: list[dict[str, Any]] = benchmarks.get(name, {}).get("results", [])
    return found


def measured_now(size: str, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The entry of a benchmark that has just been measured."""
    command = ["git", "describe", "--always", "--dirty"]
    commit = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "measured": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit or "unknown",
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "memory_bytes": psutil.virtual_memory().total,
            "python": platform.python_version(),
            "system": platform.platform(terse=True),
        },
        "size": size,
        "results": list(results),
    }
