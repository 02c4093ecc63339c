"""Gives a model its version in the registry: the work of Register, without TFX and TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import TensorlineError
from components.evaluate.files import GATE_FILE, VERDICT_FILE
from components.examples_table import decode, read_serialized
from components.tracking.registry import Candidate, register_candidate
from components.tracking.run_log import reopen
from components.tracking.store import Store, open_store

if TYPE_CHECKING:
    import pandas as pd

REGISTRATION_FILE = "registration.json"
NUM_EXAMPLES = 5
_SPLIT = "test"


def register(
    folders: Mapping[str, Path],
    registration_folder: Path,
    *,
    model_name: str,
    pipeline: str,
    tracking_uri: str = "",
    train_run_id: str = "",
) -> None:
    """Reads verdict and metrics from the report, asks the registry, writes registration.json.

    Args:
        folders: Of the artifacts `model`, `report`, `examples`, and `profile` if there is one.
        registration_folder: Of the artifact; it need not be there.
        model_name: In the registry.
        pipeline: Names the experiment, and the stages in messages.
        tracking_uri: Of the MLflow store; '': the default one.
        train_run_id: The run that trained the model; '': the model gets a run of its own.

    Raises: UserError if the champion changed since the evaluation; TensorlineError if the report can't be read.
    """
    description = read_json(folders["model"] / "model.json")
    verdict = read_json(folders["report"] / VERDICT_FILE)
    metrics = read_json(folders["report"] / "metrics.json")
    candidate = Candidate(
        model_name=model_name,
        pipeline=pipeline,
        model_dir=folders["model"],
        digest=description["digest"],
        promote=verdict["promote"],
        reason=verdict["reason"],
        # Undefined metrics are null; whether thresholds are met belongs to the verdict.
        metrics={name: value for name, value in metrics.items() if type(value) in {int, float}},
        compared_with=verdict["champion"]["digest"] if verdict["champion"] else None,
        train_run_id=train_run_id,
        example=raw_examples(folders["examples"], description["inputs"]),
        failed_checks=tuple(each["name"] for each in verdict["checks"] if not each["passed"]),
        profile_dir=folders.get("profile"),
    )
    store = Store(tracking_uri) if tracking_uri else open_store(Path())
    registration = register_candidate(store, candidate)
    log_gate_page(store, registration.run_id, folders["report"])
    registration_folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(asdict(registration), indent=1, ensure_ascii=False)
    (registration_folder / REGISTRATION_FILE).write_text(content + "\n", encoding="utf-8")


def log_gate_page(store: Store, run_id: str, report: Path) -> None:
    """Puts the page with the verdict beside the model that it is about, in the run that holds it.

    Raises: TensorlineError if the report has no such page.
    """
    page = report / GATE_FILE
    if not page.is_file():
        raise TensorlineError(f"{page}: no such file. Expected a file of the evaluate stage: rerun it.")
    run = reopen(store, run_id)
    if run is not None:  # someone may have deleted it
        run.log_artifact(page, "report")


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file. Raises: TensorlineError if it is missing or damaged."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TensorlineError(f"{path}: {error}. Expected a file of the train or the evaluate stage: rerun it.") from None
    return content


def raw_examples(folder: Path, inputs: Mapping[str, str]) -> pd.DataFrame:
    """The first few examples of the test split as the raw columns of the model; None where missing, images as bytes."""
    import pandas as pd

    serialized = next(iter(read_serialized(folder, _SPLIT, NUM_EXAMPLES)), [])
    columns: dict[str, list[Any]] = decode(serialized).to_pydict() if serialized else {}
    values = {name: [_value(each, inputs[name]) for each in columns[name]] for name in sorted(columns) if name in inputs}
    return pd.DataFrame(values)


def _value(values: list[Any] | None, kind: str) -> Any:
    """The only value of a feature, or the list of its numbers; None if it has none."""
    if not values:
        return None
    if len(values) > 1:
        return values
    (value,) = values
    return value.decode(errors="replace") if isinstance(value, bytes) and kind != "image" else value
