"""The stage without TFX, TensorFlow and Beam: one pass over the examples, by columns, on one machine.

What it writes is what the components of the stage (`bridge.graph`) write; their statistics are TFDV's, by Beam, of which the
quantiles of large splits differ within the error of their sketches. On other runners the components run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.drift.build import Plan
from components.drift.found import EVAL_SPLIT, TRAIN_SPLIT, Champion, find_drift
from components.drift.kinds import kinds_of
from components.drift.settings import Settings
from components.validate.anomalies import DIFF_FILE, report
from components.validate.contents import CONTENTS_FOLDER, write_contents
from components.validate.counting import Counting, statistics_schema
from components.validate.inferred import infer
from components.validate.scan import Scan
from components.validate.tfdv_parts import validate_statistics

if TYPE_CHECKING:
    from components.params.models import ValidateParams

STATISTICS_FILE, SCHEMA_FILE = "FeatureStats.pb", "schema.pbtxt"


def run(
    examples: Path,
    settings: Settings,
    params: ValidateParams,
    schema_file: Path | None,
    champion: Champion,
    out: Path,
    state: Path | None,
) -> dict[str, Mapping[str, Mapping[str, Any]]]:
    """Validates the examples.

    Args:
        examples: Folder of the artifact, with its `artifact.json`.
        settings: Of the columns, and of drift.
        params: What is to be done about anomalies.
        schema_file: The reviewed schema, of which `counting.needs_tfdv` is false; None to infer one.
        champion: What the training split is held against.
        out: Folder in which the folders `statistics`, `schema`, `anomalies`, `profile` and `drift` are made.
        state: Folder for what the next run may take; it need not be there. None to keep nothing.

    Returns: The properties of each artifact, by folder.

    Raises: AnomalyError and DriftError where they are to stop the pipeline; TensorlineError if the examples are damaged.
    """
    properties = json.loads((examples / "artifact.json").read_text(encoding="utf-8"))["properties"]
    splits: list[str] = json.loads(properties["split_names"])
    shared = {"properties": {"span": properties.get("span", 0), "split_names": properties["split_names"]}}
    columns = settings.columns
    reviewed = None if schema_file is None else text_format.Parse(schema_file.read_text(encoding="utf-8"), schema_pb2.Schema())

    for_statistics = statistics_schema(reviewed, {*columns.images, *columns.texts})
    kinds = kinds_of(reviewed if reviewed is not None else schema_pb2.Schema(), columns)
    plan = Plan(kinds, columns.label, settings.overlap, is_open=reviewed is None)
    scan = Scan(Counting.of(for_statistics), plan, (TRAIN_SPLIT, EVAL_SPLIT), state)
    sums = {split: scan.split(examples, split) for split in splits}
    scan.remove_unused()
    statistics = {}
    for split in splits:
        statistics[split] = statistics_pb2.DatasetFeatureStatisticsList(datasets=[sums[split].statistics.proto()])
        _write(out / "statistics" / f"Split-{split}" / STATISTICS_FILE, statistics[split])
    if columns.images or columns.texts:
        folder = out / "statistics" / CONTENTS_FOLDER
        write_contents(examples, splits, columns.images, columns.texts, columns.label, folder)

    (out / "schema").mkdir()
    if schema_file is not None and reviewed is not None:
        schema = reviewed
        shutil.copyfile(schema_file, out / "schema" / SCHEMA_FILE)
    else:
        schema = infer([statistics[split] for split in splits], columns)
        (out / "schema" / SCHEMA_FILE).write_text(text_format.MessageToString(schema), encoding="utf-8")

    for split in splits:
        found = validate_statistics(statistics[split].datasets[0], schema)
        _write(out / "anomalies" / f"Split-{split}" / DIFF_FILE, found)
    report(out / "anomalies", schema, examples, params.on_anomaly, params.num_shown)

    profiles = {}
    plan = Plan(kinds_of(schema, columns), columns.label, settings.overlap)
    for split in (TRAIN_SPLIT, EVAL_SPLIT):
        builder = sums[split].profile if split in sums else None
        if builder is not None:
            builder.decide(plan)
            profiles[split] = builder.profile(split)
    (out / "profile").mkdir()
    profiles[TRAIN_SPLIT].write(out / "profile")
    (out / "drift").mkdir()
    find_drift(profiles[TRAIN_SPLIT], profiles.get(EVAL_SPLIT), champion, settings.drift, out / "drift")
    return {
        "statistics": {**shared, "custom_properties": {"stats_dashboard_link": ""}},  # as TFX has it
        "schema": {},
        "anomalies": {**shared, "custom_properties": {}},
        "profile": {},
        "drift": {},
    }


def _write(path: Path, message: Any) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(message.SerializeToString(deterministic=True))
