"""`tensorline compare`: the table, whole."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from components.cli import main
from tests.conftest import copy_repository

REMARK = "Metrics are of the test split; in brackets, where they would lie if it had been drawn again (bootstrap)."


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Reports of penguins and of shuttle_rare, as the stages write them."""
    root = copy_repository(tmp_path / "root", data=False)
    monkeypatch.chdir(root)
    write(root, "penguins", "accuracy,0.981,0.944,1", {"num_examples": 54, "accuracy": 0.981, "accuracy_low": 0.944})
    (root / "artifacts/penguins/report/classes.csv").write_text("class,num_examples\nAdelie,30\nChinstrap,10\nGentoo,14\n")
    metrics = {"num_examples": 9083, "auc": 0.99995796, "precision": None, "cost": 0.00056, "thresholds_met": True}
    metrics |= {"decision_threshold": 0.009111, "champion_auc": 0.9, "difference": 0.09, "difference_low": 0.08}
    write(root, "shuttle_rare", "auc,0.99995796,0.9998,1\nprecision,,,\ncost,0.00056,0.0001,0.0015", metrics)
    report = root / "artifacts/shuttle_rare/report"
    (report / "classes.csv").write_text("class,num_examples\n0,9062\n1,21\n")
    counts = "threshold,true_positives,false_positives,false_negatives,true_negatives,cost"
    (report / "decisions.csv").write_text(f"{counts}\n0.5,0,0,21,9062,525\n0.009111,19,1,2,9061,51\n")
    return root


def write(root: Path, name: str, intervals: str, metrics: dict[str, Any]) -> None:
    folder = root / "artifacts" / name
    for part in ("report", "model", "model_run"):
        (folder / part).mkdir(parents=True)
    (folder / "report" / "metrics.json").write_text(json.dumps(metrics))
    (folder / "report" / "intervals.csv").write_text(f"metric,value,low,high\n{intervals}\n")
    (folder / "model" / "model.json").write_text(json.dumps({"recipe": "tabular.classifier", "num_parameters": 2177}))
    (folder / "model_run" / "history.json").write_text(json.dumps({"epochs": [{"loss": 0.5}] * 15}))


def test_side_by_side(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "shuttle_rare", "penguins", "shuttle_rare"]) == 0
    lines = [re.sub(" {2,}", " | ", line.rstrip()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        " | shuttle_rare | penguins",
        "recipe | tabular.classifier | tabular.classifier",
        "parameters | 2,177 | 2,177",
        "epochs | 15 | 15",
        "test examples | 9,083 | 54",
        "… of the second class | 21 | –",
        "decision threshold | 0.009111 | –",
        "TP / FP / FN at 0.5 | 0 / 0 / 21 | –",
        "TP / FP / FN at threshold | 19 / 1 / 2 | –",
        "auc | 1.0000 [0.9998, 1.0000] | –",
        "precision | undefined | –",
        "cost | 5.60e-04 [1.00e-04, 0.0015] | –",
        "accuracy | – | 0.9810 [0.9440, 1.0000]",
        "",
        REMARK,
        "",
        "The test splits differ, so that a difference may be theirs rather than the models'.",
    ]


def test_markdown(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "penguins", "--markdown"]) == 0
    assert capsys.readouterr().out == (
        "|  | penguins |\n"
        "| --- | ---: |\n"
        "| recipe | tabular.classifier |\n"
        "| parameters | 2,177 |\n"
        "| epochs | 15 |\n"
        "| test examples | 54 |\n"
        "| accuracy | 0.9810 [0.9440, 1.0000] |\n"
        f"\n{REMARK}\n"
    )


def test_a_pipeline_that_was_not_evaluated(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "penguins", "mpg"]) == 2
    assert capsys.readouterr().err == (
        "tensorline: artifacts/mpg/report/metrics.json: no such file. Expected 'mpg' to be trained and evaluated: "
        "dvc repro evaluate@mpg\n"
    )


def test_a_pipeline_that_there_is_not(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "penguin"]) == 2
    assert capsys.readouterr().err.startswith(
        "tensorline: params.yaml: pipelines: no pipeline is named 'penguin'. Did you mean 'penguins'?"
    )


@pytest.mark.slow
def test_how_long_the_training_took_is_asked_of_mlflow(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from components.tracking.run_file import RunRef, write_run_file
    from components.tracking.store import open_store

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = open_store(repository)
    run = store.client.create_run("0", start_time=1_000_000)
    file = repository / "artifacts" / "penguins" / "runs" / "train.json"
    write_run_file(file, RunRef(run.info.run_id, "0", "train", "penguins"))
    assert main(["compare", "penguins", "--markdown"]) == 0
    assert "stage train, s" not in capsys.readouterr().out  # still running
    store.client.set_terminated(run.info.run_id, end_time=1_042_400)
    assert main(["compare", "penguins", "--markdown"]) == 0
    assert "| stage train, s | 42 |\n" in capsys.readouterr().out
    write_run_file(file, RunRef("0" * 32, "0", "train", "penguins"))
    assert main(["compare", "penguins", "--markdown"]) == 0
    assert "stage train, s" not in capsys.readouterr().out
