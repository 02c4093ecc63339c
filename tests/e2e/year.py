"""A year of taxi in a clone: a span a month, of which one drifts, one is broken and one has noisy labels.

`python -m tests.e2e.year` runs twelve spans and prints their story; test_year.py holds a shortened form against what must come
of it.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.e2e.clone import Clone, make_clone

ROOT = Path(__file__).parents[2]
NAME = "year"
Kind = Literal["normal", "drift", "broken", "noisy"]
YEAR: tuple[Kind, ...] = (*["normal"] * 4, "drift", "normal", "broken", "normal", "noisy", *["normal"] * 3)  # type: ignore[assignment]
SHORT: tuple[Kind, ...] = ("normal", "drift", "broken", "noisy", "normal")
LAST_SPANS = 3
_SEED = 7
_MOST_ROWS = 3000
_TENSORLINE = "import sys; from components.cli import main; sys.exit(main())"
Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Month:
    """What came of one span.

    Attributes:
        span: Its number.
        kind: What it was made to be.
        result: What `tensorline retrain --json` told.
        report: The Markdown.
        champion: The version afterwards.
    """

    span: int
    kind: Kind
    result: dict[str, Any]
    report: str
    champion: str | None


def make_year(root: Path) -> Clone:
    """A clone whose one pipeline is taxi's, but for data that come in spans, and few epochs."""
    clone = make_clone(root)
    clone.edit("params.yaml", r"  taxi: \{data: data/taxi, ", f"  {NAME}: {{data: data/taxi_year, ")
    params = (root / "pipelines/taxi/params.yaml").read_text(encoding="utf-8")
    for old, new in (
        (r"path: data/taxi/\*\.csv", f"path: data/taxi_year/{{span}}/*.csv\n  last_spans: {LAST_SPANS}"),
        (r"tune: \{.*\}", "tune: {}"),
        (r"epochs: \d+", "epochs: 15"),
        (r"batch_size: \d+", "batch_size: 64"),
        (r"auc: \{min: .*\}", "auc: {min: 0.88}"),
        (r"model_name: taxi", f"model_name: {NAME}\n\nretrain:\n  cooldown_hours: 0"),
    ):
        params, count = re.subn(old, new, params)
        assert count == 1, old
    (root / "pipelines" / NAME).mkdir()
    (root / "pipelines" / NAME / "params.yaml").write_text(params, encoding="utf-8")
    (root / "schemas" / f"{NAME}.pbtxt").write_bytes((root / "schemas" / "taxi.pbtxt").read_bytes())
    return clone


def trips(num_spans: int) -> list[Rows]:
    """Taxi's trips in random order, cut into as many spans."""
    with (ROOT / "data" / "taxi" / "trips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    random.Random(_SEED).shuffle(rows)  # noqa: S311  the same months each time
    size = min(_MOST_ROWS, len(rows) // num_spans)
    return [rows[index * size : (index + 1) * size] for index in range(num_spans)]


def bend(rows: Rows, kind: Kind) -> Rows:
    """Makes of a month's trips what `kind` says."""
    if kind == "drift":  # fares rise, tips do not
        return [{**row, "fare": f"{1.6 * float(row['fare']) + 2:.2f}"} for row in rows]
    if kind == "broken":
        return [{"trip_distance" if name == "trip_miles" else name: value for name, value in row.items()} for row in rows]
    if kind == "noisy":  # the label is made of tips and fare: those of another trip
        pairs = [(row["tips"], row["fare"]) for row in rows]
        random.Random(_SEED).shuffle(pairs)  # noqa: S311
        return [{**row, "tips": tips, "fare": fare} for row, (tips, fare) in zip(rows, pairs, strict=True)]
    return rows


def deliver(clone: Clone, span: int, rows: Rows) -> None:
    """Writes a span, in place of the one that was there."""
    path = clone.root / "data" / "taxi_year" / f"{span:02d}" / "trips.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def retrain(clone: Clone) -> tuple[dict[str, Any], str]:
    """(result, report) of `tensorline retrain`, with the code of the clone."""
    done = clone.run(sys.executable, "-c", _TENSORLINE, "retrain", NAME, "--json", "--report", "report.md", expect=None)
    assert done.stdout.startswith("["), done.stderr[-5000:]
    (result,) = json.loads(done.stdout)
    assert done.returncode == result["exit_code"], done.stderr[-5000:]
    return result, (clone.root / "report.md").read_text(encoding="utf-8")


def tensorline(clone: Clone, *arguments: str) -> str:
    """What a command of tensorline prints, with the code of the clone."""
    return clone.run(sys.executable, "-c", _TENSORLINE, *arguments, COLUMNS="200").stdout


def live(clone: Clone, kinds: Sequence[Kind]) -> Iterator[Month]:
    """Delivers span after span and retrains; what was refused comes again before the next, as it should be."""
    for index, (kind, rows) in enumerate(zip(kinds, trips(len(kinds)), strict=True)):
        deliver(clone, index + 1, bend(rows, kind))
        for command in (["add", "--all"], ["-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "-qm", f"{kind}"]):
            subprocess.run(["git", *command], cwd=clone.root, check=True)
        result, report = retrain(clone)
        yield Month(index + 1, kind, result, report, result["champion"])
        if kind in ("broken", "noisy"):
            deliver(clone, index + 1, rows)


def main() -> int:
    """Prints a row a span, then the history."""
    parser = argparse.ArgumentParser(description="A year of taxi, span by span.")
    parser.add_argument("--short", action="store_true", help=f"the shortened form: {', '.join(SHORT)}")
    kinds = SHORT if parser.parse_args().short else YEAR
    with tempfile.TemporaryDirectory() as folder:
        clone = make_year(Path(folder))
        print("| span | made to be | outcome | champion | why |\n| --- | --- | --- | --- | --- |", flush=True)
        for month in live(clone, kinds):
            told = month.result
            print(f"| {month.span} | {month.kind} | {told['outcome']} | {month.champion} | {told['why']} |", flush=True)
        print(tensorline(clone, "history", NAME))
    return 0


if __name__ == "__main__":
    sys.exit(main())
