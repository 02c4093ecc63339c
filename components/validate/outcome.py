"""What validation has to tell: counts, anomalies, a picture of each feature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.bridge import accounting
from components.bridge.job import Job
from components.bridge.outcome import Outcome
from components.drift.report import DRIFT_FILE, EVAL_FILE, told
from components.drift.report import as_text as as_text_of_drift
from components.tfrecord import count_split
from components.validate.anomalies import ANOMALIES_FILE, as_text
from components.validate.contents import CONTENTS_FILE, CONTENTS_FOLDER
from components.validate.contents_report import add_contents
from components.validate.pictures import statistics_figures


def outcome(job: Job, folders: Mapping[str, Path]) -> Outcome:
    """Statistics and anomalies, for the terminal and the run."""
    result = Outcome()
    statistics = {}
    for split in ("train", "eval", "test"):
        file = folders["statistics"] / f"Split-{split}" / "FeatureStats.pb"
        if file.exists():
            statistics[split] = statistics_pb2.DatasetFeatureStatisticsList.FromString(file.read_bytes()).datasets[0]
    counts = {split: count_split(folders["examples"], split) for split in statistics}
    num_features = max((len(dataset.features) for dataset in statistics.values()), default=0)
    result.lines.append(f"{accounting.shown(counts)} examples of {num_features} features")
    result.figures = {f"statistics/{name}": figure for name, figure in statistics_figures(statistics).items()}
    result.files[folders["schema"]] = "schema"
    contents = folders["statistics"] / CONTENTS_FOLDER
    if contents.exists():
        add_contents(result, json.loads((contents / CONTENTS_FILE).read_text(encoding="utf-8")))
        result.files[contents] = CONTENTS_FOLDER
    anomalies = json.loads((folders["anomalies"] / ANOMALIES_FILE).read_text(encoding="utf-8"))
    result.metrics["num_anomalies"] = len(anomalies)
    result.files[folders["anomalies"] / ANOMALIES_FILE] = "anomalies"
    if anomalies:
        result.lines.append(f"{len(anomalies)} anomalies (validate.on_anomaly: warn):")
        result.lines += as_text(anomalies).splitlines()
    else:
        result.lines.append("no anomalies")
    if "drift" in folders:  # anomalies may have stopped the stage before
        _add_drift(result, folders["drift"])
    if job.reviewed_schema is None:
        result.lines.append(
            f"no reviewed schema: one was inferred. Look at artifacts/{job.name}/schema/schema.pbtxt, then adopt it:"
        )
        result.lines.append(f"    tensorline schema {job.name} --accept")
    return result


def _add_drift(result: Outcome, folder: Path) -> None:
    champion, split = (json.loads((folder / file).read_text(encoding="utf-8")) for file in (DRIFT_FILE, EVAL_FILE))
    for what, content, suffix in (
        ("training data against the champion's", champion, ""),
        ("train against eval", split, "_eval"),
    ):
        result.lines.append(f"{what}: {told(content)}")
        result.lines += as_text_of_drift(content).splitlines()
        result.tags[f"tensorline.drift{suffix}"] = content["state"]
        if content["state"] != "no_baseline":
            result.metrics[f"num_drifted{suffix}"] = sum(feature["drifted"] for feature in content["features"])
    result.files[folder] = "drift"


def failed_outcome(job: Job, folders: Mapping[str, Path]) -> Outcome:
    """Likewise where the anomalies stopped the pipeline; nothing where it did not come so far."""
    if not all(key in folders for key in ("statistics", "schema", "anomalies")):
        return Outcome()
    if not (folders["anomalies"] / ANOMALIES_FILE).exists():
        return Outcome()
    return outcome(job, folders)
