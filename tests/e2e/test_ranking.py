"""A ranking goes the way of other models: cars of a year and an origin, the thriftiest first, up to evaluate."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.conftest import copy_repository, working_in
from tests.e2e.test_media import TO_EVALUATE, edit

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
PARAMS = """\
recipe: forest.boosted_trees
data:
  path: data/mpg/auto_mpg.csv
  label: relevance
  cast: {model_year: string, origin: string}
  derive:
    cohort: model_year + "/" + origin
    relevance: mpg / 10
  drop: [mpg, car_name, model_year]
  split: {train: 0.5, eval: 0.25, test: 0.25, key: [cohort]}
  num_shards: 1
transform: {ignore: [origin]}
model: {task: ranking, group: cohort}
validate: {on_anomaly: fail}
tune: {}
train: {epochs: 30, early_stopping: {patience: 15}}
evaluate:
  slices: [[origin]]
  thresholds: {ndcg_5: {min: 0.7}}
register: {model_name: mpg}
"""
NEW_COLUMNS = """\
feature { name: "cohort" type: BYTES value_count { min: 1 max: 1 } presence { min_fraction: 1.0 min_count: 1 } }
feature { name: "relevance" type: FLOAT value_count { min: 1 max: 1 } presence { min_fraction: 1.0 min_count: 1 } }
"""


def write_schema(path: Path) -> None:
    """The columns that stay, the origin as a string, and the new ones."""
    features = re.findall(r"^feature \{\n.*?^\}\n", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    kept = [each for each in features if not re.search(r'name: "(mpg|car_name|model_year|origin)"', each)]
    origin = NEW_COLUMNS.splitlines(keepends=True)[0].replace("cohort", "origin")
    path.write_text("".join([*kept, origin, NEW_COLUMNS]), encoding="utf-8")


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory, run_stages: Callable[..., None]) -> Path:
    """The root of a repository in which mpg is a ranking."""
    root = copy_repository(tmp_path_factory.mktemp("ranking"))
    (root / "pipelines" / "mpg" / "params.yaml").write_text(PARAMS, encoding="utf-8")
    edit(
        root / "params.yaml",
        ("mpg: {data: data/mpg, recipe: recipes/tabular}", "mpg: {data: data/mpg, recipe: recipes/forest}"),
    )
    write_schema(root / "schemas" / "mpg.pbtxt")
    run_stages(root, "mpg", TO_EVALUATE)
    return root


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_report_says_what_scikit_learn_says(ranked: Path) -> None:
    from sklearn.metrics import ndcg_score

    folder = ranked / "artifacts" / "mpg"
    model = read(folder / "model" / "model.json")
    assert {key: model[key] for key in ("kind", "key_metric", "label", "group", "inputs")} == {
        "kind": "ranking",
        "key_metric": "ndcg_5",
        "label": "relevance",
        "group": "cohort",
        "inputs": dict.fromkeys(["cylinders", "displacement", "horsepower", "weight", "acceleration"], "number"),
    }
    written = pd.read_parquet(folder / "report" / "predictions.parquet")
    assert list(written) == ["record", "label", "prediction", "origin", "cohort"]
    parts = [part for _, part in written.groupby("cohort") if part["label"].nunique() > 1]
    metrics = read(folder / "report" / "metrics.json")
    assert (metrics["num_examples"], metrics["num_groups"]) == (len(written), len(parts))
    assert metrics["num_groups_left_out"] == written["cohort"].nunique() - len(parts)
    for name, places in (("ndcg_5", 5), ("ndcg", None)):
        expected = [ndcg_score([2 ** part["label"] - 1], [part["prediction"]], k=places) for part in parts]
        assert metrics[name] == pytest.approx(np.mean(expected), rel=1e-6)
    assert not any("training split" in note for note in read(folder / "report" / "verdict.json")["notes"])


def test_the_registered_model_needs_no_group(ranked: Path, tmp_path: Path) -> None:
    import mlflow
    from mlflow.models import Model

    from components.tracking.packaging import pack

    folder = ranked / "artifacts" / "mpg"
    pack(folder / "model", tmp_path / "model", Model(), None)
    cars = pd.read_csv(ranked / "data" / "mpg" / "auto_mpg.csv")
    pyfunc = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert pyfunc.metadata.get_output_schema().input_names() == ["prediction"]
    scores = pyfunc.predict(cars)["prediction"]
    test = pd.read_parquet(folder / "report" / "predictions.parquet")
    labelled = pd.DataFrame({"label": (cars["mpg"] / 10).astype(np.float32), "score": scores})
    assert set(test["prediction"].round(4)) <= set(labelled["score"].round(4))


def test_what_the_terminal_is_told(ranked: Path) -> None:
    from components.bridge.job import Job

    number = r"[+-]?\d\.\d{4}"
    interval = rf"{number} \[{number}, {number}\]"
    with working_in(ranked):
        job = Job.load("mpg", ranked)
        told = {
            stage: importlib.import_module(f"components.{stage}.outcome").outcome(
                job, {folder.name: folder for folder in job.artifact("").iterdir()}
            )
            for stage in ("train", "evaluate")
        }
    assert re.fullmatch(rf"ndcg_5 {interval} on \d+ test groups", told["evaluate"].lines[0])
    line = rf"ndcg_5 on eval \(\d+ groups\): forest {interval}, linear model {interval}; the forest is .*: {interval}"
    assert re.fullmatch(line, told["train"].lines[2])
