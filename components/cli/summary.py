"""`tensorline summary`: what there is, on one screen. Reads only the stages' files, so that it answers at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from components.cli import find_root
from components.params.load import load_shared

COLUMNS = ("pipeline", "examples", "key metric (test)", "verdict")


@click.command("summary")
def command() -> None:
    """Prints pipeline, examples, key metric with its interval, verdict, and where the report and the run are."""
    from rich.console import Console
    from rich.table import Table

    root = find_root()
    table = Table(*COLUMNS, box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    names = list(load_shared(root).pipelines)
    for name in names:
        table.add_row(*row(root, name))
    console = Console(highlight=False)
    console.print()
    console.print(table)
    console.print()
    for name in names:
        console.print(f"{name}: {places(root, name)}", soft_wrap=True)
    console.print("The runs in a browser: make ui")


def row(root: Path, name: str) -> tuple[str, ...]:
    """The cells of one pipeline, as `COLUMNS` names them; `–` where a stage has not run."""
    folder = root / "artifacts" / name
    ingest = _read(folder / "ingest_report" / "ingest.json")
    metrics = _read(folder / "report" / "metrics.json")
    model = _read(folder / "model" / "model.json")
    return (
        name,
        f"{sum(ingest['num_examples'].values()):,}" if ingest else "–",
        _metric(metrics, model["key_metric"]) if metrics and model else "–",
        _verdict(_read(folder / "registration" / "registration.json")),
    )


def places(root: Path, name: str) -> str:
    """Where the report and the model's run of one pipeline are."""
    folder = root / "artifacts" / name
    report, run = folder / "report" / "report.html", _read(folder / "runs" / "train.json")
    shown = str(report.relative_to(root)) if report.exists() else "no report yet"
    return f"{shown}, MLflow run {run['run_id']}" if run else shown


def _metric(metrics: dict[str, Any], name: str) -> str:
    value, low, high = (metrics.get(key) for key in (name, f"{name}_low", f"{name}_high"))
    if value is None:
        return f"{name} not defined"
    interval = f" [{low:.4f}, {high:.4f}]" if low is not None and high is not None else ""
    return f"{name} {value:.4f}{interval}"


def _verdict(registration: dict[str, Any] | None) -> str:
    if registration is None:
        return "–"
    return f"{registration['verdict']}: version {registration['version']}"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return content
