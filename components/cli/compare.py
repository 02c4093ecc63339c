"""`tensorline compare NAME NAME…`: the reports of several pipelines side by side.

As the TensorFlow tutorial "Classification on imbalanced data" compares baseline, class weights and oversampling. Reads the
stages' files; only how long the training took is asked of MLflow, where its run is still known.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from components.cli import find_root
from components.errors import UserError
from components.params.load import load_pipeline

_NO_METRICS = (
    *("num_examples", "num_groups", "num_groups_left_out"),
    *("thresholds_met", "decision_threshold", "difference", "difference_low", "difference_high"),
)
"""Numbers in metrics.json that are no metrics, beside those of the champion."""


@dataclass(frozen=True)
class Report:
    """What one pipeline's files tell.

    Attributes:
        metrics: Name → value and interval, as text.
        counts: Of the test split's examples by class; empty where there are no classes.
        facts: All else, title → text.
    """

    name: str
    num_examples: int
    counts: tuple[tuple[str, int], ...]
    facts: dict[str, str]
    metrics: dict[str, str]


@click.command("compare")
@click.argument("names", nargs=-1, required=True)
@click.option("--markdown", is_flag=True, help="As a Markdown table.")
def command(names: tuple[str, ...], markdown: bool) -> None:
    """Print the metrics of pipelines NAMES on their test splits side by side, with intervals, size and time of training."""
    root = find_root()
    reports = [read_report(root, name) for name in dict.fromkeys(names)]
    rows = table_of(reports)
    if markdown:
        print("\n".join(markdown_of(rows)))
    else:
        _print_table(rows)
    for line in remarks(reports):
        print(f"\n{line}")


def read_report(root: Path, name: str) -> Report:
    """Reads the files of one pipeline. Raises: UserError if there is no such pipeline, or it was not evaluated."""
    load_pipeline(name, root)
    folder = root / "artifacts" / name
    metrics = _json(folder / "report" / "metrics.json", root, name)
    model = _json(folder / "model" / "model.json", root, name)
    intervals = {row["metric"]: row for row in _csv(folder / "report" / "intervals.csv")}
    counts = tuple((row["class"], int(row["num_examples"])) for row in _csv(folder / "report" / "classes.csv"))
    facts = {"recipe": model["recipe"], "parameters": f"{model['num_parameters']:,}"}
    history = _json(folder / "model_run" / "history.json", root, name)
    facts["epochs"] = f"{len(history['epochs'])}"
    if (seconds := _seconds(folder / "runs" / "train.json", root)) is not None:
        facts["stage train, s"] = f"{seconds:.0f}"
    facts["test examples"] = f"{metrics['num_examples']:,}"
    if "num_groups" in metrics:
        facts["test groups"] = f"{metrics['num_groups']:,}"
    if len(counts) == 2:
        facts["… of the second class"] = f"{counts[1][1]:,}"
    if (threshold := metrics.get("decision_threshold")) is not None:
        facts["decision threshold"] = f"{threshold:.4g}"
    for row in _csv(folder / "report" / "decisions.csv"):
        at = "0.5" if float(row["threshold"]) == 0.5 and "TP / FP / FN at 0.5" not in facts else "threshold"
        facts[f"TP / FP / FN at {at}"] = f"{row['true_positives']} / {row['false_positives']} / {row['false_negatives']}"
    shown = {
        metric: _with_interval(value, intervals.get(metric))
        for metric, value in metrics.items()
        if metric not in _NO_METRICS and not metric.startswith("champion_") and not metric.endswith(("_low", "_high"))
    }
    return Report(name, metrics["num_examples"], counts, facts, shown)


def table_of(reports: Sequence[Report]) -> list[list[str]]:
    """A header and a row a fact or metric; the first column says which. A dash where a pipeline has none."""
    rows = [["", *(report.name for report in reports)]]
    for part in ("facts", "metrics"):
        titles = dict.fromkeys(title for report in reports for title in getattr(report, part))
        rows += [[title, *(getattr(report, part).get(title, "–") for report in reports)] for title in titles]
    return rows


def markdown_of(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return [lines[0], f"| --- |{' ---: |' * (len(rows[0]) - 1)}", *lines[1:]]


def remarks(reports: Sequence[Report]) -> list[str]:
    """What a reader should know before comparing."""
    told = ["Metrics are of the test split; in brackets, where they would lie if it had been drawn again (bootstrap)."]
    if len({(report.num_examples, report.counts) for report in reports}) > 1:
        told.append("The test splits differ, so that a difference may be theirs rather than the models'.")
    return told


def _with_interval(value: float | None, row: dict[str, str] | None) -> str:
    if value is None:
        return "undefined"
    text = _number(value)
    return f"{text} [{_number(float(row['low']))}, {_number(float(row['high']))}]" if row is not None and row["low"] else text


def _number(value: float) -> str:
    return f"{value:.2e}" if 0 < abs(value) < 0.001 else f"{value:.4f}" if abs(value) < 1000 else f"{value:,.1f}"


def _seconds(run_file: Path, root: Path) -> float | None:
    """How long the run took that made the model; None if nobody knows."""
    from components.tracking.duration import duration_s
    from components.tracking.run_file import read_run_file
    from components.tracking.store import open_store

    return duration_s(open_store(root), read_run_file(run_file)) if run_file.exists() else None


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(rows[0][0], box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for name in rows[0][1:]:
        table.add_column(name, justify="right")
    for row in rows[1:]:
        table.add_row(*row)
    console = Console(highlight=False)
    # As wide as it is, also where the terminal is not: a cut number says nothing.
    wide = Console(highlight=False, width=10_000)
    Console(highlight=False, width=max(console.width, wide.measure(table).maximum)).print(table, soft_wrap=True)


def _json(path: Path, root: Path, name: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path.relative_to(root)}: no such file. Expected '{name}' to be trained and evaluated: dvc repro evaluate@{name}"
        ) from None
    return content


def _csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table; none where there is no such table, as of a kind of model that has none."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
