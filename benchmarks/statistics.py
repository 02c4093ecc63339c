"""Our statistics against stock StatisticsGen: the same examples, both in one process without tracking."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.timing import compare
from components.bridge.beam import context_args
from components.drift.build import Plan
from components.ingest.plain import exec_properties
from components.ingest.plain import run as ingest
from components.params.models import SPLITS, BeamParams, DataParams
from components.validate.counting import Counting
from components.validate.scan import Scan

SOURCE = Path("data/taxi/trips.csv")
LABEL = "trip_miles"


def run(copies: tuple[int, ...] = (1, 10)) -> Iterator[dict[str, Any]]:
    """Yields a result for each number of copies of the taxi data; ten copies are 150,020 rows."""
    with tempfile.TemporaryDirectory() as temporary:
        for number in copies:
            folder = Path(temporary) / f"x{number}"
            examples, num_rows = _examples(folder, number)
            yield compare(
                f"statistics of {num_rows:,} rows / StatisticsGen",
                lambda examples=examples: _ours(examples),
                lambda examples=examples, folder=folder: _stock(examples, folder / "stock"),
                repeats=3 if number == 1 else 1,
            )


def _examples(folder: Path, copies: int) -> tuple[Path, int]:
    for key in ("data", "examples", "report"):
        (folder / key).mkdir(parents=True)
    header, *rows = SOURCE.read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "data" / "trips.csv").write_text(header + "".join(rows) * copies, encoding="utf-8")
    # The moments of a copy are those of the original, so copies share a split, as duplicates should.
    path = str(folder / "data" / "trips.csv")
    data = DataParams(path=path, label=LABEL, on_bad_record="quarantine", max_reject_fraction=1.0)
    ingest(exec_properties(data, None), folder / "examples", folder / "report", None)
    return folder / "examples", len(rows) * copies


def _ours(examples: Path) -> None:
    scan = Scan(Counting(), Plan({}))
    for split in SPLITS:
        scan.split(examples, split).statistics.proto()


def _stock(examples: Path, out: Path) -> None:
    from tfx.components.statistics_gen.executor import Executor
    from tfx.types import standard_artifacts

    shutil.rmtree(out, ignore_errors=True)
    given, made = standard_artifacts.Examples(), standard_artifacts.ExampleStatistics()
    given.uri, made.uri, given.split_names = str(examples), str(out), json.dumps(list(SPLITS))
    context = Executor.Context(**context_args(BeamParams()), tmp_dir=str(out / "tmp"), unique_id="0")
    Executor(context).Do({"examples": [given]}, {"statistics": [made]}, {"exclude_splits": "[]"})
