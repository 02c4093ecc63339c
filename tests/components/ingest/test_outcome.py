import json
from types import SimpleNamespace

from components.bridge.outcome import Outcome
from components.ingest.outcome import outcome

REPORT = {
    "num_records_in": 12,
    "num_examples": {"train": 7, "eval": 2, "test": 2},
    "num_rejects": 1,
    "by_file": {"data/x.csv": {}, "data/y.csv": {}},
    "by_rule": {"type": 1},
    "columns": {"a": "integer"},
    "num_values": {"a": 11},
    "empty_columns": [],
    "label": "a",
    "data_digest": "abc",
}


def test_outcome(tmp_path):
    (tmp_path / "ingest.json").write_text(json.dumps(REPORT))
    assert outcome(SimpleNamespace(name="taxi"), {"ingest_report": tmp_path}) == Outcome(
        lines=[
            "12 records in 2 files → 11 examples (7 train, 2 eval, 2 test), 1 reject",
            "1 column (1 integer), label a",
            "rejects by rule: type 1; rejects.csv names file, line, column and value",
        ],
        metrics={
            "num_records_in": 12,
            "num_rejects": 1,
            "num_examples_train": 7,
            "num_examples_eval": 2,
            "num_examples_test": 2,
        },
        files={tmp_path / "ingest.json": "ingest", tmp_path / "rejects.csv": "ingest"},
        dataset=("taxi", "abc", "data/x.csv, data/y.csv"),
    )
