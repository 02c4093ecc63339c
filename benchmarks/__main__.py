"""`make bench`: prints a table of ratios, each pair measured in the same run, and keeps it as benchmarks/results.json."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

from benchmarks import ingest, ingest_images, ingest_text, noop, predict, statistics, training, warm


def main() -> int:
    """Runs every benchmark; returns the exit code."""
    results = []
    for benchmark in (noop, warm, ingest, ingest_images, ingest_text, statistics, training, predict):
        for result in benchmark.run():
            results.append(result)
            print(
                f"{result['what']:<60} {result['ours_s']:8.2f} s  {result['baseline_s']:8.2f} s  ratio {result['ratio']:.3f}",
                flush=True,
            )
    machine = {"python": platform.python_version(), "system": platform.platform(terse=True)}
    path = Path(__file__).with_name("results.json")
    path.write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n", encoding="utf-8")
    print(f"→ {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
