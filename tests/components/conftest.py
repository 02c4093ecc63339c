"""What the tests of tracking and register share: an MLflow store, and a small real model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from components.tracking.store import Store, sqlite_uri


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh database, to be copied: making one takes seconds."""
    database = tmp_path_factory.mktemp("store") / "mlflow.db"
    assert Store(sqlite_uri(database)).client
    return database


@pytest.fixture
def store(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store of its own for each test, in a path with a space and letters that are not ASCII."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    database = tmp_path / "Übungs ordner" / "mlruns" / "mlflow.db"
    database.parent.mkdir(parents=True)
    shutil.copyfile(empty_database, database)
    return Store(sqlite_uri(database))


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A binary classifier of one column a type: hour (integer), miles (float), company (string)."""
    import tensorflow as tf

    class Model(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable([[0.5]], dtype=tf.float32)

        @tf.function(
            input_signature=[
                {
                    "hour": tf.TensorSpec([None, 1], tf.float64, name="hour"),
                    "miles": tf.TensorSpec([None, 1], tf.float32, name="miles"),
                    "company": tf.TensorSpec([None, 1], tf.string, name="company"),
                }
            ]
        )
        def serve_raw(self, columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            hour = tf.cast(columns["hour"], tf.float32)
            logit = tf.where(tf.math.is_nan(hour), -10.0, 0.0)
            logit += self.weight * tf.where(tf.math.is_nan(columns["miles"]), 0.0, columns["miles"])
            logit += tf.where(columns["company"] == "7", 2.0, 0.0) + tf.where(columns["company"] == "", -1.0, 0.0)
            score = tf.sigmoid(logit)
            return {
                "probabilities": tf.concat([1 - score, score], axis=1),
                "score": score,
                "label": tf.gather(tf.constant(["no", "yes"]), tf.cast(score[:, 0] > 0.5, tf.int32)),
            }

    folder = tmp_path_factory.mktemp("model")
    model = Model()
    tf.saved_model.save(model, str(folder / "Format-Serving"), signatures={"serve_raw": model.serve_raw})
    (folder / "keras").mkdir()
    (folder / "keras" / "model.keras").write_bytes(b"weights")
    description = {
        "kind": "binary",
        "key_metric": "auc",
        "class_names": ["no", "yes"],
        "label": "tipped",
        "inputs": {"company": "string", "hour": "number", "miles": "number"},
        "libraries": [],
        "digest": "d1",
    }
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    return folder
