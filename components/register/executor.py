"""The work of Register."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.errors import TensorlineError
from components.evaluate.report_artifact import GATE_FILE, VERDICT_FILE
from components.examples_table import read_serialized
from components.tracking.registry import Candidate, register_candidate
from components.tracking.run_log import reopen
from components.tracking.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from tensorflow.core.example import feature_pb2

REGISTRATION_FILE = "registration.json"
NUM_EXAMPLES = 5
_SPLIT = "test"


class RegisterExecutor(base_executor.BaseExecutor):
    """Reads verdict and metrics from the report, asks the registry, writes registration.json."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        """See the base class.

        Raises: UserError if the champion changed since the evaluation; TensorlineError if the report can't be read.
        """
        folders = {key: Path(artifact_utils.get_single_uri(artifacts)) for key, artifacts in input_dict.items() if artifacts}
        description = read_json(folders["model"] / "model.json")
        verdict = read_json(folders["report"] / VERDICT_FILE)
        metrics = read_json(folders["report"] / "metrics.json")
        uri = exec_properties["tracking_uri"]
        candidate = Candidate(
            model_name=exec_properties["model_name"],
            pipeline=exec_properties["pipeline"],
            model_dir=folders["model"],
            digest=description["digest"],
            promote=verdict["promote"],
            reason=verdict["reason"],
            # Undefined metrics are null; whether thresholds are met belongs to the verdict.
            metrics={name: value for name, value in metrics.items() if type(value) in {int, float}},
            compared_with=verdict["champion"]["digest"] if verdict["champion"] else None,
            train_run_id=exec_properties["train_run_id"],
            example=raw_examples(folders["examples"], description["inputs"]),
            failed_checks=tuple(each["name"] for each in verdict["checks"] if not each["passed"]),
            profile_dir=folders.get("profile"),
        )
        store = Store(uri) if uri else open_store(Path())
        registration = register_candidate(store, candidate)
        log_gate_page(store, registration.run_id, folders["report"])
        out = Path(artifact_utils.get_single_uri(output_dict["registration"]))
        out.mkdir(parents=True, exist_ok=True)
        content = json.dumps(asdict(registration), indent=1, ensure_ascii=False)
        (out / REGISTRATION_FILE).write_text(content + "\n", encoding="utf-8")


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
    from tensorflow.core.example import example_pb2

    rows = []
    for serialized in next(iter(read_serialized(folder, _SPLIT, NUM_EXAMPLES)), []):
        features = example_pb2.Example.FromString(serialized).features.feature
        rows.append({name: _value(features[name], kind) for name, kind in inputs.items() if name in features})
    columns = sorted({name for row in rows for name in row})
    return pd.DataFrame([{name: row.get(name) for name in columns} for row in rows], columns=columns)


def _value(feature: feature_pb2.Feature, kind: str) -> Any:
    """The only value of a feature, or the list of its numbers; None if it has none."""
    field = feature.WhichOneof("kind")
    values = getattr(feature, field).value if field else []
    if len(values) > 1:
        return list(values)
    value = values[0] if values else None
    return value.decode(errors="replace") if isinstance(value, bytes) and kind != "image" else value
