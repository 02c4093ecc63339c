"""`tensorline trials`: the table, whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.cli import main
from tests.conftest import copy_repository

REASON = (
    "out of memory: OOM when allocating tensor with shape[1000000,1000000] and type float on device CPU:0 by allocator cpu"
)


def trial(number: int, score: float | None, status: str, epochs: int, **values: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "status": status,
        "score": score,
        "best_epoch": 0,
        "hyperparameters": values,
        "epochs": [{"val_auc": score}] * epochs,
        "reason": REASON if status == "FAILED" else None,
    }


RESULTS = {
    "algorithm": "hyperband",
    "objective": "val_auc",
    "direction": "max",
    "max_trials": 20,
    "out_of_time": True,
    "trials": [
        trial(0, 0.81234, "COMPLETED", 2, learning_rate=0.001, **{"tuner/epochs": 2, "tuner/initial_epoch": 0}),
        trial(1, None, "FAILED", 0, learning_rate=0.0123456, **{"tuner/epochs": 2, "tuner/initial_epoch": 0}),
        trial(2, 0.9, "COMPLETED", 3, learning_rate=0.001, units_1=64, **{"tuner/epochs": 5, "tuner/initial_epoch": 2}),
    ],
}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = copy_repository(tmp_path / "root", data=False)
    monkeypatch.chdir(root)
    return root


def write(root: Path, results: dict[str, Any]) -> None:
    folder = root / "artifacts" / "penguins" / "tuner_results"
    folder.mkdir(parents=True)
    (folder / "trials.json").write_text(json.dumps(results))


def test_the_best_comes_first(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository, RESULTS)
    assert main(["trials", "penguins"]) == 0
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "",
        "penguins: hyperband search for val_auc, higher is better",
        "",
        "trial  val_auc  status     epochs  learning_rate  units_1",
        "2      0.9000   COMPLETED  5       0.001          64",
        "0      0.8123   COMPLETED  2       0.001          –",
        "1      –        FAILED     0       0.01235        –",
        "",
        f"trial 1: {REASON}",
        "Stopped after 3 of 20 trials: tune.max_minutes was over.",
    ]


def test_lower_is_better_and_a_wide_table_is_not_cut(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {f"a_hyperparameter_{number}": number for number in range(9)}
    write(
        repository,
        {
            **RESULTS,
            "direction": "min",
            "out_of_time": False,
            "trials": [
                trial(0, 0.2, "COMPLETED", 1, **names),
                trial(1, 0.1, "COMPLETED", 1, **names),
            ],
        },
    )
    assert main(["trials", "penguins"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "penguins: hyperband search for val_auc, lower is better"
    assert lines[3].split() == ["trial", "val_auc", "status", "epochs", *names]
    assert [line.split()[:2] for line in lines[4:6]] == [["1", "0.1000"], ["0", "0.2000"]]


def test_no_search(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository, {"max_trials": 0, "trials": []})
    assert main(["trials", "penguins"]) == 0
    assert capsys.readouterr().out == "penguins: no search, the recipe's defaults were taken (tune.max_trials: 0).\n"


def test_nothing_yet_but_a_search_that_was_killed(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = repository / "artifacts" / "penguins" / ".state" / "tune" / "0123" / "Tuner" / "search" / "search.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"oracle": {"end_order": ["0", "1"]}}))
    assert main(["trials", "penguins"]) == 2
    printed = capsys.readouterr()
    assert printed.out == (
        "\nA search was begun and has not ended: 2 of its trials have. dvc repro goes on with it if it is for the present "
        "data, code and parameters; if not, it is removed when the next search ends.\n"
    )
    assert printed.err == (
        "tensorline: artifacts/penguins/tuner_results/trials.json: no such file. Expected the trials of 'penguins'; dvc repro "
        "makes them.\n"
    )
