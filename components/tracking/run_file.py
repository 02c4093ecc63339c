"""artifacts/NAME/runs/STAGE.json: which MLflow run made a stage's artifacts.

A DVC output of its own that no stage depends on, so that artifacts from DVC's cache still name the run that made them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from components.errors import UserError


@dataclass(frozen=True)
class RunRef:
    """Names an MLflow run."""

    run_id: str
    experiment_id: str
    stage: str
    pipeline: str


def write_run_file(path: Path, ref: RunRef) -> None:
    """Writes `ref` to `path`, in one piece."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(json.dumps(asdict(ref), indent=1) + "\n", encoding="utf-8")
    aside.replace(path)


def read_run_file(path: Path) -> RunRef:
    """Reads what `write_run_file` wrote. Raises: UserError if the file is missing or damaged."""
    try:
        return RunRef(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        problem = "no such file"
    except (ValueError, TypeError) as error:
        problem = f"{error}"
    raise UserError(f"{path}: {problem}. Expected the id of the MLflow run of stage '{path.stem}': dvc repro makes it again.")
