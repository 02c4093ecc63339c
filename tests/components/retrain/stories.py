"""A retraining told by hand, with the stages' files in the form in which they write them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from components.params.models import RetrainParams
from components.retrain.built import Artifacts
from components.retrain.decide import Facts, decide
from components.retrain.raw_data import RawData
from components.retrain.report import Story
from components.retrain.repro import Built
from components.tracking.attempts import ChampionFacts
from components.tracking.run_file import RunRef

NOW = datetime(2026, 11, 23, 4, 17, tzinfo=timezone.utc)
CHAMPION = ChampionFacts("3", "2026-11-01T04:30:00+00:00", "digest-3", {"auc": 0.91, "auc_low": 0.9, "log_loss": 0.31})
INGEST = {
    "num_records_in": 1000,
    "num_rejects": 2,
    "num_examples": {"train": 698, "eval": 150, "test": 150},
    "by_file": {"data/taxi_year/1/a.csv": {}},
    "columns": {"fare": "number", "payment_type": "string"},
    "data_digest": "digest-3",
    "spans": {"found": ["1"], "used": ["1"], "ingested": ["1"]},
}
NEXT_INGEST = {
    **INGEST,
    "num_records_in": 2000,
    "num_examples": {"train": 1398, "eval": 300, "test": 300},
    "by_file": {"data/taxi_year/1/a.csv": {}, "data/taxi_year/2/a.csv": {}},
    "columns": {"fare": "string", "payment_type": "string", "tolls": "number"},
    "data_digest": "digest-4",
    "spans": {"found": ["1", "2"], "used": ["1", "2"], "ingested": ["2"]},
}


def feature(name: str, distance: float, p_value: float, *, drifted: bool) -> dict[str, Any]:
    return {
        "feature": name,
        "kind": "numeric",
        "distance_name": "ks",
        "distance": distance,
        "limit": 0.1,
        "p_value": p_value,
        "drifted": drifted,
    }


DRIFT = {
    "state": "drift",
    "against": "champion",
    "version": "3",
    "num_baseline": 698,
    "num_current": 1398,
    "features": [feature("miles", 0.02, 0.7, drifted=False), feature("fare", 0.25, 1e-9, drifted=True)],
}
VERDICT = {
    "promote": False,
    "reason": "auc 0.9000 against the champion's 0.9100 is an improvement of -0.0100",
    "champion": {"digest": "d3", "value": 0.91, "difference": -0.01, "low": -0.02, "high": 0.001, "problem": None},
    "checks": [
        {"name": "thresholds", "passed": True, "reason": "every threshold is met"},
        {"name": "latency", "passed": True, "judged": False, "reason": "there is no limit"},
        {"name": "champion", "passed": False, "reason": "auc is not better"},
    ],
    "notes": ["The interval of the improvement holds 0: this test split can't tell candidate and champion apart."],
}
METRICS = {
    "num_examples": 300,
    "auc": 0.9,
    "log_loss": 0.33,
    "calibration": None,
    "auc_low": 0.88,
    "auc_high": 0.92,
    "champion_auc": 0.91,
    "difference": -0.01,
    "thresholds_met": True,
}
ALL_STAGES = ("ingest", "validate", "transform", "tune", "train", "evaluate", "register")
BEFORE = Artifacts(ingest=INGEST)
AFTER = Artifacts(
    ingest=NEXT_INGEST,
    drift=DRIFT,
    model={"key_metric": "auc", "kind": "binary"},
    metrics=METRICS,
    verdict=VERDICT,
    registration={"version": "4", "verdict": "refused", "reason": VERDICT["reason"], "champion": "3"},
    intervals={
        "auc": {"metric": "auc", "value": "0.9", "low": "0.88", "high": "0.92"},
        "log_loss": {"metric": "log_loss", "value": "0.33", "low": "0.3", "high": "0.36"},
        "calibration": {"metric": "calibration", "value": "", "low": "", "high": ""},
    },
    slices=[
        {"columns": "all", "values": "", "num_examples": "300", "small": "False", "auc": "0.9", "auc_low": "", "auc_high": ""},
        {
            "columns": "payment_type",
            "values": "@cash | <b>",
            "num_examples": "20",
            "small": "True",
            "auc": "",
            "auc_low": "",
            "auc_high": "",
        },
        {
            "columns": "payment_type",
            "values": "Card",
            "num_examples": "280",
            "small": "False",
            "auc": "0.89",
            "auc_low": "0.86",
            "auc_high": "0.91",
        },
    ],
    runs={stage: RunRef(f"run-{stage}", "1", stage, "taxi") for stage in ALL_STAGES},
)


def story(**changes: Any) -> Story:
    facts = Facts(CHAMPION, RawData("folder-4", "digest-4", None, ("1", "2")), ingest=INGEST)
    told: dict[str, Any] = {
        "name": "taxi",
        "decision": decide(RetrainParams(), facts, NOW),
        "facts": facts,
        "outcome": "refused",
        "why": VERDICT["reason"],
        "built": Built(ALL_STAGES, new_lock=True),
        "before": BEFORE,
        "after": AFTER,
        "champion": "3",
        "commit": "0123456789",
        "run": RunRef("run-retrain", "1", "retrain", "taxi"),
        "tracking": "https://mlflow.example.com/",
    }
    return Story(**{**told, **changes})
