"""A forest goes the way of networks: credit through every stage up to evaluate, asked in every way, and tuned."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import copy_repository, working_in
from tests.e2e.test_media import TO_EVALUATE, ask_all_ways, edit

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


@pytest.fixture(scope="module")
def credit(tmp_path_factory: pytest.TempPathFactory, run_stages: Callable[..., None]) -> Path:
    """A repository in which credit ran up to evaluate, tuned by Hyperband; the root."""
    root = copy_repository(tmp_path_factory.mktemp("credit"))
    edit(
        root / "pipelines" / "credit" / "params.yaml",
        ("tune: {}", "tune: {algorithm: hyperband, objective: val_loss, max_trials: 5, epochs: 9}"),
        ("epochs: 400", "epochs: 60"),
    )
    run_stages(root, "credit", TO_EVALUATE)
    return root


def test_it_answers_alike_in_every_way(credit: Path) -> None:
    ask_all_ways(credit, "credit")


def test_what_is_known_of_it(credit: Path) -> None:
    folder = credit / "artifacts" / "credit"
    model = json.loads((folder / "model" / "model.json").read_text())
    assert {key: model[key] for key in ("recipe", "kind", "key_metric", "class_names", "libraries")} == {
        "recipe": "forest.boosted_trees",
        "kind": "binary",
        "key_metric": "auc",
        "class_names": ["bad", "good"],
        "libraries": ["ydf_tf"],
    }
    assert model["num_parameters"] > 100  # nodes
    assert json.loads((folder / "report" / "metrics.json").read_text())["auc"] > 0.7  # 0.78 is usual for these data
    hyperparameters = json.loads(next((folder / "best_hyperparameters").iterdir()).read_text())["values"]
    assert {"max_depth", "min_examples", "subsample", "feature_share", "l2", "growing_strategy"} <= set(hyperparameters)


def test_what_the_terminal_and_mlflow_are_told(credit: Path) -> None:
    from components.bridge.job import Job
    from components.train.outcome import outcome

    with working_in(credit):
        job = Job.load("credit", credit)
        told = outcome(job, {key: job.artifact(key) for key in ("model", "model_run")})
    number = r"[+-]?\d\.\d{4}"
    interval = rf"{number} \[{number}, {number}\]"
    line = rf"auc on eval \(155 examples\): forest {interval}, linear model {interval}; the forest is .*: {interval}"
    assert re.fullmatch(line, told.lines[2])
    assert set(told.figures) == {f"curves/{name}.png" for name in ("loss", "auc", "aucpr", "accuracy")}
    assert job.artifact("model_run") / "description" in {credit / path for path in told.files}
