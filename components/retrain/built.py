"""What the stages left in artifacts/NAME, as far as it is there: older runs lack files, a stage that stopped its own."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.errors import TensorlineError
from components.tracking.run_file import RunRef, read_run_file

STAGES = ("ingest", "validate", "transform", "tune", "train", "evaluate", "register")


@dataclass(frozen=True)
class Artifacts:
    """The stages' reports.

    Attributes:
        ingest, drift, model, metrics, verdict, registration: ingest.json, drift.json and so on; None where there is no file.
        intervals: Metric → its row in intervals.csv.
        slices: The rows of slices.csv, the overall one first.
        runs: Stage → the MLflow run that made its artifacts.
    """

    ingest: dict[str, Any] | None = None
    drift: dict[str, Any] | None = None
    model: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    verdict: dict[str, Any] | None = None
    registration: dict[str, Any] | None = None
    intervals: dict[str, dict[str, str]] = field(default_factory=dict)
    slices: list[dict[str, str]] = field(default_factory=list)
    runs: dict[str, RunRef] = field(default_factory=dict)


def read_artifacts(folder: Path) -> Artifacts:
    """Reads artifacts/NAME. Raises: TensorlineError if a file is damaged."""
    files = {stage: folder / "runs" / f"{stage}.json" for stage in STAGES}
    return Artifacts(
        ingest=_json(folder / "ingest_report" / "ingest.json"),
        drift=_json(folder / "drift" / "drift.json"),
        model=_json(folder / "model" / "model.json"),
        metrics=_json(folder / "report" / "metrics.json"),
        verdict=_json(folder / "report" / "verdict.json"),
        registration=_json(folder / "registration" / "registration.json"),
        intervals={row["metric"]: row for row in _csv(folder / "report" / "intervals.csv")},
        slices=_csv(folder / "report" / "slices.csv"),
        runs={stage: read_run_file(file) for stage, file in files.items() if file.exists()},
    )


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise TensorlineError(f"{path}: {error}. Expected what its stage writes: dvc checkout, or rerun the stage.") from None
    return content


def _csv(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
