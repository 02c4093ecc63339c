from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from tfx.types import channel_utils, standard_artifacts

from components.errors import TensorlineError, UserError
from components.evaluate.report_artifact import Report
from components.register.component import Register
from components.register.outcome import outcome
from components.register.register import log_gate_page, raw_examples
from components.tracking.store import Store

ROWS: list[dict[str, Any]] = [
    {"company": [b"7"], "hour": [3], "miles": [1.5], "tipped": [1]},
    {"company": [], "hour": [4], "tipped": [0]},
    {"company": ["Blåbil".encode()], "miles": [0.5], "tipped": [0]},
]
CHECKS = [{"name": "thresholds", "passed": True}, {"name": "size", "passed": True}]
VERDICT = {"promote": True, "reason": "every threshold is met, no incumbent", "champion": None, "checks": CHECKS}
METRICS = {"num_examples": 3, "auc": 0.91, "auc_low": None, "thresholds_met": True}


@pytest.fixture
def folders(tmp_path: Path, model_dir: Path) -> dict[str, Path]:
    """The inputs as their stages leave them, and a folder for the output."""
    import tensorflow as tf

    def feature(values: list[Any]) -> tf.train.Feature:
        if not values:
            return tf.train.Feature()
        if isinstance(values[0], bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if isinstance(values[0], int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    examples, report = tmp_path / "examples", tmp_path / "report"
    (examples / "Split-test").mkdir(parents=True)
    with tf.io.TFRecordWriter(str(examples / "Split-test" / "data-00000-of-00001.tfrecord")) as writer:
        for row in ROWS:
            features = {name: feature(values) for name, values in row.items()}
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    report.mkdir()
    write(report / "verdict.json", VERDICT)
    write(report / "metrics.json", METRICS)
    (report / "gate.html").write_text("<h1>gate</h1>", encoding="utf-8")
    return {"model": model_dir, "examples": examples, "report": report, "registration": tmp_path / "registration"}


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def register(folders: dict[str, Path], store: Store) -> dict[str, Any]:
    """Runs the component's executor on the folders, as the bridge does; returns registration.json."""
    types = {"model": standard_artifacts.Model, "examples": standard_artifacts.Examples, "report": Report}
    artifacts = {key: [artifact_type()] for key, artifact_type in types.items()}
    for key, (artifact,) in artifacts.items():
        artifact.uri = str(folders[key])
    channels = {key: channel_utils.as_channel(value) for key, value in artifacts.items()}
    component = Register(**channels, model_name="tips", pipeline="taxi", tracking_uri=store.uri)
    registration = component.outputs["registration"].type()
    registration.uri = str(folders["registration"])
    component.executor_spec.executor_class().Do(artifacts, {"registration": [registration]}, component.spec.exec_properties)
    content: dict[str, Any] = json.loads((folders["registration"] / "registration.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.slow
def test_register(folders: dict[str, Path], store: Store) -> None:
    content = register(folders, store)
    assert content == {
        "model_name": "tips",
        "version": "1",
        "digest": "d1",
        "verdict": "no incumbent",
        "reason": "every threshold is met, no incumbent",
        "moved": True,
        "champion": "1",
        "run_id": content["run_id"],
        "model_id": content["model_id"],
    }
    run = store.client.get_run(content["run_id"])
    assert store.client.get_experiment(run.info.experiment_id).name == "taxi"
    assert run.data.metrics == {"num_examples": 3.0, "auc": 0.91}
    page = Path(store.client.download_artifacts(content["run_id"], "report/gate.html"))
    assert page.read_text(encoding="utf-8") == "<h1>gate</h1>"
    version = store.client.get_model_version("tips", "1")
    assert version.tags["tensorline.metrics"] == '{"auc": 0.91, "num_examples": 3}'
    assert "tensorline.failed_checks" not in version.tags
    packed = Path(store.client.get_model_version_download_uri("tips", "1"))
    assert packed.name == "artifacts"

    again = register(folders, store)
    assert (again["version"], again["verdict"], again["moved"]) == ("1", "unchanged", False)


@pytest.mark.slow
def test_a_refusal_names_the_checks_that_failed(folders: dict[str, Path], store: Store) -> None:
    failed = [{"name": name, "passed": name == "size"} for name in ("thresholds", "size", "latency")]
    write(folders["report"] / "verdict.json", {**VERDICT, "promote": False, "reason": "auc is low; slow", "checks": failed})
    assert register(folders, store)["verdict"] == "refused"
    tags = store.client.get_model_version("tips", "1").tags
    assert (tags["tensorline.reason"], tags["tensorline.failed_checks"]) == ("auc is low; slow", "thresholds, latency")
    assert outcome(SimpleNamespace(name="taxi"), folders).lines == [  # type: ignore[arg-type]
        "tips version 1: refused. auc is low; slow",
        "failed checks: thresholds, latency",
        "no champion yet",
    ]
    # It passes the next time, though the model is the same.
    write(folders["report"] / "verdict.json", VERDICT)
    assert register(folders, store)["verdict"] == "no incumbent"
    assert "tensorline.failed_checks" not in store.client.get_model_version("tips", "1").tags


def test_a_report_without_the_gates_page(tmp_path: Path, store: Store) -> None:
    with pytest.raises(TensorlineError) as error:
        log_gate_page(store, "0" * 32, tmp_path)
    assert str(error.value) == f"{tmp_path / 'gate.html'}: no such file. Expected a file of the evaluate stage: rerun it."


def test_register_refuses_a_verdict_that_is_out_of_date(folders: dict[str, Path], store: Store) -> None:
    write(folders["report"] / "verdict.json", {**VERDICT, "champion": {"digest": "d0" * 32, "difference": 0.1}})
    message = (
        "register: the evaluation compared the candidate with the champion with digest d0d0d0d0d0d0…, and the champion of "
        "'tips' is now none. Expected the same at both times: another run, a rollback or another MLflow store came between. "
        "Evaluate again: dvc repro --force --single-item evaluate@taxi && dvc repro register@taxi"
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        register(folders, store)
    assert not folders["registration"].exists()


def test_register_without_a_report(folders: dict[str, Path], store: Store) -> None:
    path = folders["report"] / "verdict.json"
    path.write_text("{", encoding="utf-8")
    message = (
        f"{path}: Expecting property name enclosed in double quotes: line 1 column 2 (char 1). Expected a file of the train "
        "or the evaluate stage: rerun it."
    )
    with pytest.raises(TensorlineError, match=f"^{re.escape(message)}$"):
        register(folders, store)


def test_raw_examples(folders: dict[str, Path]) -> None:
    expected = pd.DataFrame(
        {"company": ["7", None, "Blåbil"], "hour": [3, 4, None], "miles": [1.5, None, 0.5]},
        columns=["company", "hour", "miles"],
    )
    pd.testing.assert_frame_equal(
        raw_examples(folders["examples"], {"hour": "number", "miles": "number", "company": "string"}), expected
    )
