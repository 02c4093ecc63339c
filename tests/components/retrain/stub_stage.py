"""Stands for the stages where a test is about what surrounds them: `python stub_stage.py STAGE NAME`, as dvc.yaml runs it.

The raw data say what is to happen: a column `beak` that is not called so is refused by ingest, and of the last record the
column `gate` says whether the gate lets the model pass (good) or not (noisy), and `drift` whether there is any (yes, no).
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

STAGE, NAME = sys.argv[1:]
FOLDER = Path("artifacts", NAME)


def write(path: str, content: dict[str, Any]) -> None:
    (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
    (FOLDER / path).write_text(json.dumps(content))


def read(path: str) -> dict[str, Any]:
    return json.loads((FOLDER / path).read_text())


def ingest() -> None:
    from components.ingest.sources import digest

    rows = []
    files = sorted(Path("data", NAME).glob("*.csv"))
    for path in files:
        with path.open(newline="") as file:
            found = list(csv.DictReader(file))
        if "beak" not in found[0]:
            print(f"\n{NAME} · ingest: {path}:1: no column 'beak'.\nMend the header.", file=sys.stderr)
            sys.exit(2)
        rows += found
    number = len(rows)
    content = {
        "num_records_in": number,
        "num_rejects": 0,
        "num_examples": {"train": number - 2, "eval": 1, "test": 1},
        "by_file": {str(path): {} for path in files},
        "columns": dict.fromkeys(rows[0], "string"),
        "data_digest": digest(files),
    }
    write("ingest_report/ingest.json", content)
    write("last.json", rows[-1])


def validate() -> None:
    features = [
        {
            "feature": "beak",
            "kind": "numeric",
            "distance_name": "ks",
            "distance": 0.4,
            "limit": 0.1,
            "p_value": 1e-6,
            "drifted": True,
        }
    ]
    drifts = read("last.json")["drift"] == "yes"
    content = {"against": "champion", "version": "1", "num_baseline": 3, "num_current": 6}
    state = {"state": "drift", "features": features} if drifts else {"state": "no_drift", "features": []}
    write("drift/drift.json", {**state, **content})


def register() -> None:
    from components.tracking.moves import champion_version, move_champion
    from components.tracking.provenance import git_state
    from components.tracking.run_file import write_run_file
    from components.tracking.runs import start_stage_run
    from components.tracking.store import open_store

    store, digest = open_store(Path()), read("ingest_report/ingest.json")["data_digest"]
    with start_stage_run(store, NAME, "train", params={}, git=git_state(Path()), dependencies={}, data_digest=digest) as run:
        write_run_file(FOLDER / "runs" / "train.json", run.ref)
    incumbent = champion_version(store, NAME)
    if incumbent is None:
        store.client.create_registered_model(NAME)
    version = store.client.create_model_version(
        NAME, Path().absolute().as_uri(), run.ref.run_id, tags={"tensorline.metrics": json.dumps({"auc": 0.9})}
    ).version
    promote = read("last.json")["gate"] == "good"
    reason = "better by 0.01" if promote else "auc 0.5000 is less than 0.6 (evaluate.thresholds.auc.min)"
    if promote:
        with store.lock():
            move_champion(store, NAME, "promote", str(version), reason)
    current = champion_version(store, NAME)
    write("model/model.json", {"key_metric": "auc"})
    write("report/metrics.json", {"num_examples": 1, "auc": 0.9 if promote else 0.5, "thresholds_met": promote})
    write("report/verdict.json", {"promote": promote, "reason": reason, "champion": None, "notes": []})
    verdict = ("promoted" if incumbent else "no incumbent") if promote else "refused"
    write(
        "registration/registration.json",
        {"version": str(version), "verdict": verdict, "reason": reason, "champion": str(current.version) if current else None},
    )


{"ingest": ingest, "validate": validate, "register": register}[STAGE]()
