"""`make run` when nothing changed, against the pipeline's own cheapest stage run by force."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.timing import compare

ROOT = Path(__file__).parents[1]


def _make_run() -> None:
    subprocess.run(["make", "run"], cwd=ROOT, check=True, capture_output=True)


def _ingest() -> None:
    subprocess.run(["dvc", "repro", "--force", "--single-item", "ingest@taxi"], cwd=ROOT, check=True, capture_output=True)


def run() -> Iterator[dict[str, Any]]:
    """Yields one result; builds the pipelines first if they are not."""
    _make_run()
    yield compare("make run, nothing changed / ingest of 15,002 rows, forced", _make_run, _ingest, repeats=3)
