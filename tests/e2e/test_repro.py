"""`dvc repro` from a clone: what README promises, as a user would see it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.bridge.graph import STAGES
from components.tfrecord import count_split
from tests.e2e.clone import NUM_ROWS, Clone

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def client(clone: Clone):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{clone.root / 'mlruns' / 'mlflow.db'}")


def test_dvc_is_clean_and_a_second_repro_does_nothing(first: Clone) -> None:
    status = first.run("dvc", "status")
    assert status.stdout.strip() == "Data and pipelines are up to date."
    runs = client(first).search_runs([client(first).get_experiment_by_name("taxi").experiment_id])
    again = first.run("dvc", "repro")
    assert "Running stage" not in again.stdout
    assert again.stdout.rstrip().endswith("Data and pipelines are up to date.")
    assert len(client(first).search_runs([runs[0].info.experiment_id])) == len(runs)


def test_every_record_is_accounted_for(first: Clone) -> None:
    report = read_json(first.artifact("ingest_report", "ingest.json"))
    assert report["num_records_in"] == NUM_ROWS == sum(report["num_examples"].values()) + report["num_rejects"]
    for split, count in report["num_examples"].items():
        assert count_split(first.artifact("examples"), split) == count
    assert count_split(first.artifact("transformed_examples"), "train") == report["num_examples"]["train"]
    assert read_json(first.artifact("report", "metrics.json"))["num_examples"] == report["num_examples"]["test"]


def test_every_artifact_names_its_run(first: Clone) -> None:
    mlflow = client(first)
    commit = first.run("git", "rev-parse", "HEAD").stdout.strip()
    for stage in STAGES:
        ref = read_json(first.artifact("runs", f"{stage}.json"))
        run = mlflow.get_run(ref["run_id"])
        tags = run.data.tags
        assert run.info.status == "FINISHED"
        assert (tags["tensorline.stage"], tags["tensorline.pipeline"]) == (stage, "taxi")
        assert (tags["tensorline.commit"], tags["tensorline.dirty"]) == (commit, "false")
        assert len(tags["tensorline.dependencies"]) == 64
        if stage != "ingest":
            assert tags["tensorline.data_digest"] == read_json(first.artifact("ingest_report", "ingest.json"))["data_digest"]


def test_the_models_run_holds_curves_evaluation_and_model(first: Clone) -> None:
    mlflow = client(first)
    run_id = read_json(first.artifact("runs", "train.json"))["run_id"]
    run = mlflow.get_run(run_id)
    epochs = read_json(first.artifact("model_run", "history.json"))["epochs"]
    curve = mlflow.get_metric_history(run_id, "val_loss")
    assert [(point.step, point.value) for point in curve] == [(step, epoch["val_loss"]) for step, epoch in enumerate(epochs)]
    assert run.data.metrics["test_auc"] == pytest.approx(read_json(first.artifact("report", "metrics.json"))["auc"])
    assert run.data.params["train.epochs"] == "3"
    artifacts = {item.path for folder in ("", "curves", "report") for item in mlflow.list_artifacts(run_id, folder)}
    assert {"curves/loss.png", "report/report.html", "model.txt"} <= artifacts
    assert len(run.outputs.model_outputs) == 1


def test_trials_are_nested_runs(first: Clone) -> None:
    mlflow = client(first)
    ref = read_json(first.artifact("runs", "tune.json"))
    trials = mlflow.search_runs([ref["experiment_id"]], f"tags.`mlflow.parentRunId` = '{ref['run_id']}'")
    assert sorted(trial.info.run_name for trial in trials) == ["trial-0", "trial-1"]
    assert {trial.info.status for trial in trials} == {"FINISHED"}
    assert all("learning_rate" in trial.data.params and "score" in trial.data.metrics for trial in trials)


def test_the_registry_holds_the_champion(first: Clone) -> None:
    mlflow = client(first)
    registration = read_json(first.artifact("registration", "registration.json"))
    version = mlflow.get_model_version_by_alias("taxi", "champion")
    model = read_json(first.artifact("model", "model.json"))
    assert (registration["verdict"], registration["version"], registration["champion"]) == ("no incumbent", "1", "1")
    assert (str(version.version), version.tags["tensorline.digest"]) == ("1", model["digest"])


def test_the_summary_tells_it_on_one_screen(first: Clone) -> None:
    metrics = read_json(first.artifact("report", "metrics.json"))
    shown = first.run("tensorline", "summary", COLUMNS="80").stdout.splitlines()
    assert shown[1].split("   ")[0] == "pipeline"
    assert f"auc {metrics['auc']:.4f} [{metrics['auc_low']:.4f}, {metrics['auc_high']:.4f}]" in shown[2]
    assert shown[2].rstrip().endswith("no incumbent: version 1")
    run_id = read_json(first.artifact("runs", "train.json"))["run_id"]
    assert shown[4:] == [f"taxi: artifacts/taxi/report/report.html, MLflow run {run_id}", "The runs in a browser: make ui"]


def test_all_ways_of_asking_agree(first: Clone) -> None:
    """SavedModel, pyfunc, HTTP, Keras, batch and evaluation, in a process of its own: TensorFlow keeps what it loads."""
    ask = str(Path(__file__).with_name("ask_all_ways.py"))
    first.run(sys.executable, ask, str(first.root), "taxi", "models:/taxi@champion")


@pytest.mark.parametrize(
    ("file", "old", "new", "stages"),
    [
        ("params.yaml", "seed: 7", "seed: 8", ["tune", "train", "evaluate"]),
        ("pipelines/taxi/params.yaml", r"drop: \[tips\]", "drop: [tips, trip_seconds]", ["ingest", "validate"]),
        ("pipelines/taxi/params.yaml", "on_anomaly: fail", "on_anomaly: warn", ["validate"]),
        ("pipelines/taxi/params.yaml", "    - pickup_census_tract\n", "", ["transform", "tune", "train"]),
        ("pipelines/taxi/params.yaml", r"hidden_units: \[64, 32\]", "hidden_units: [8]", ["tune", "train"]),
        ("pipelines/taxi/params.yaml", "max_trials: 2", "max_trials: 1", ["tune"]),
        ("pipelines/taxi/params.yaml", "auc: {min: 0.6}", "auc: {min: 0.5}", ["evaluate"]),
        ("pipelines/taxi/params.yaml", "model_name: taxi", "model_name: cab", ["evaluate", "register"]),
    ],
)
def test_a_changed_key_reruns_only_what_it_touches(first: Clone, file: str, old: str, new: str, stages: list[str]) -> None:
    before = (first.root / file).read_bytes()
    first.edit(file, old, new)
    try:
        # A dry run names the stages that read the key; those behind them run if what they read comes out differently.
        assert first.stages_to_run() == stages
    finally:
        (first.root / file).write_bytes(before)


def test_after_a_checkout_every_artifact_still_names_its_run(first: Clone) -> None:
    before = {stage: first.artifact("runs", f"{stage}.json").read_bytes() for stage in STAGES}
    shutil.rmtree(first.root / "artifacts")
    first.run("dvc", "checkout")
    assert {stage: first.artifact("runs", f"{stage}.json").read_bytes() for stage in STAGES} == before
    assert first.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."


def test_two_clones_give_the_same_bytes(first: Clone, second: Clone) -> None:
    for split in ("train", "eval", "test"):
        ours, theirs = (sorted(clone.artifact("examples", f"Split-{split}").iterdir()) for clone in (first, second))
        assert [path.name for path in ours] == [path.name for path in theirs]
        assert [path.read_bytes() for path in ours] == [path.read_bytes() for path in theirs]
    assert read_json(first.artifact("model", "model.json")) == read_json(second.artifact("model", "model.json"))
    assert (
        first.artifact("model_run", "history.json").read_bytes() == second.artifact("model_run", "history.json").read_bytes()
    )
    assert first.artifact("report", "metrics.json").read_bytes() == second.artifact("report", "metrics.json").read_bytes()


def test_metrics_and_plots_are_dvcs_too(first: Clone) -> None:
    shown = json.loads(first.run("dvc", "metrics", "show", "--json").stdout)
    found = [entry["data"] for file, entry in shown[""]["data"].items() if "taxi" in file]
    assert found == [read_json(first.artifact("report", "metrics.json"))]
    page = first.root / "plots"
    first.run("dvc", "plots", "show", "--out", str(page))
    text = (page / "index.html").read_text(encoding="utf-8")
    assert all(f"taxi {name}" in text for name in ("ROC", "precision and recall", "calibration", "confusion"))
    shutil.rmtree(page)


def test_a_dirty_tree_is_recorded_with_its_diff(second: Clone) -> None:
    second.edit("schemas/taxi.pbtxt", r"\A", "# A change that nobody committed.\n")
    second.run(sys.executable, "-m", "components.ingest", "taxi")
    mlflow = client(second)
    run_id = read_json(second.artifact("runs", "ingest.json"))["run_id"]
    assert mlflow.get_run(run_id).data.tags["tensorline.dirty"] == "true"
    diff = Path(mlflow.download_artifacts(run_id, "provenance/working_tree.diff")).read_text(encoding="utf-8")
    assert "+# A change that nobody committed." in diff


def test_a_killed_stage_leaves_no_half_result_and_goes_on_in_its_run(second: Clone) -> None:
    command = [sys.executable, "-m", "components.train", "taxi"]
    process = subprocess.Popen(command, cwd=second.root, env=second.environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "epoch 1/3" in line:
            break
    process.kill()
    process.wait()
    model = second.artifact("model", "model.json").read_bytes()
    mlflow = client(second)
    experiment = mlflow.get_experiment_by_name("taxi").experiment_id
    running = mlflow.search_runs([experiment], "attributes.status = 'RUNNING'")
    assert len(running) == 1
    second.run(sys.executable, "-m", "components.train", "taxi")
    goes_on = mlflow.get_run(running[0].info.run_id)
    assert (goes_on.info.status, goes_on.data.tags["tensorline.resumed"]) == ("FINISHED", "1")
    assert mlflow.search_runs([experiment], "attributes.status = 'RUNNING'") == []
    assert second.artifact("model", "model.json").read_bytes() == model
    assert not second.artifact(".partial-train").exists()
