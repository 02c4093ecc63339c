"""A team's remotes, proved against real servers: DVC's in S3, MLflow on PostgreSQL with its artifacts in S3."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.tracking.store import Store
from tests.e2e.clone import Clone, copy_sources
from tests.servers import S3, SECRET, mlflow_server, postgresql, s3_server

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

PENGUINS = "penguins: {data: data/penguins, recipe: recipes/tabular}"
# Stages in one process, as they are imported once then; dvc commit writes the dvc.lock that dvc repro would.
BUILD = """
import sys
from pathlib import Path
from components.bridge.graph import STAGES
from components.bridge.stage import run_stage
from components.environment import prepare

prepare()
for stage in sys.argv[1].split(",") if len(sys.argv) > 1 else STAGES:
    print("\\n".join(run_stage(stage, "penguins", Path.cwd())), flush=True)
"""
COMMANDS = """
import sys
from components.cli import main

for line in sys.argv[1:]:
    print("$", line, flush=True)
    print("exit", main(line.split()), flush=True)
"""


@dataclass(frozen=True)
class Team:
    """What a team shares, and Ann's clone, which has built penguins with it."""

    s3: S3
    mlflow: str
    ann: Clone

    def environment(self) -> dict[str, str]:
        """Of someone of the team: no key of S3, since the server alone reads and writes there."""
        return {"MLFLOW_TRACKING_URI": self.mlflow, "COLUMNS": "200"}


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    with s3_server() as s3, postgresql() as database:
        options = ("--backend-store-uri", database, "--artifacts-destination", f"s3://{s3.bucket}/mlflow")
        environment = {**s3.environment(), "MLFLOW_S3_ENDPOINT_URL": s3.endpoint}
        with mlflow_server(folder, *options, environment=environment) as mlflow:
            clone = copy_sources(folder / "ann")
            clone.build_only(PENGUINS)
            parameters = "pipelines/penguins/params.yaml"
            clone.edit(parameters, "max_trials: 3\n  epochs: 30", "max_trials: 2\n  epochs: 2")
            clone.edit(parameters, "epochs: 100", "epochs: 4")
            clone.edit(parameters, "min: 0.95", "min: 0.1")
            clone.commit()
            team = Team(s3, mlflow, clone)
            clone.run(sys.executable, "-c", BUILD, **team.environment())
            clone.run("dvc", "commit", "--force", "--quiet")
            yield team


def run_id(clone: Clone, stage: str) -> str:
    return json.loads((clone.root / "artifacts/penguins/runs" / f"{stage}.json").read_text())["run_id"]


def test_everything_of_a_pipeline_is_on_the_server(team: Team) -> None:
    client = Store(team.mlflow).client
    train = client.get_run(run_id(team.ann, "train"))
    assert (train.info.status, train.info.artifact_uri.partition(":")[0]) == ("FINISHED", "mlflow-artifacts")
    assert len(client.get_metric_history(train.info.run_id, "val_loss")) == 4
    pictures = [file.path for file in client.list_artifacts(train.info.run_id, "curves")]
    assert "curves/loss.png" in pictures
    picture = Path(client.download_artifacts(train.info.run_id, "curves/loss.png"))
    assert picture.read_bytes().startswith(b"\x89PNG")
    tune = run_id(team.ann, "tune")
    trials = client.search_runs([train.info.experiment_id], f"tags.`mlflow.parentRunId` = '{tune}'")
    assert [trial.info.status for trial in trials] == ["FINISHED"] * 2
    version = client.get_model_version_by_alias("penguins", "champion")
    assert (version.version, version.run_id, version.tags["tensorline.verdict"]) == (1, train.info.run_id, "no incumbent")
    stored = team.s3.keys("mlflow/")
    assert any(key.endswith("/artifacts/curves/loss.png") for key in stored)
    assert any(key.endswith("/artifacts/artifacts/model/Format-Serving/saved_model.pb") for key in stored)
    assert not (team.ann.root / "mlruns" / "mlflow.db").exists()


def test_a_fresh_clone_pulls_from_s3_and_has_nothing_to_do(team: Team, tmp_path: Path) -> None:
    ann = team.ann
    ann.run("dvc", "remote", "add", "--default", "team", f"s3://{team.s3.bucket}/dvc")
    ann.run("dvc", "remote", "modify", "--local", "team", "endpointurl", team.s3.endpoint)
    ann.commit()
    assert ".dvc/config.local" not in ann.run("git", "ls-files").stdout.splitlines()
    keys = team.s3.environment()
    assert re.fullmatch(r"\d+ files pushed\n", ann.run("dvc", "push", **keys).stdout)
    bob = Clone(tmp_path / "bob")
    subprocess.run(["git", "clone", "--quiet", ann.root, bob.root], check=True)
    assert not (bob.root / "artifacts").exists()
    bob.run("dvc", "remote", "modify", "--local", "team", "endpointurl", team.s3.endpoint)
    bob.run("dvc", "pull", **keys)
    assert bob.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."
    again = bob.run("dvc", "repro", **team.environment())
    assert "Running stage" not in again.stdout
    assert again.stdout.rstrip().endswith("Data and pipelines are up to date.")
    assert "in sync" in bob.run("dvc", "status", "--cloud", **keys).stdout
    for clone in (ann, bob):  # keys come by the environment, and stay there
        files = [path for path in clone.root.rglob("*") if path.is_file() and "cache" not in path.parts]
        assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    lines = ["verify", "predict penguins --input data/penguins/penguins.csv --output answers.csv", "history penguins"]
    told = bob.run(sys.executable, "-c", COMMANDS, *lines, **team.environment()).stdout
    assert re.search(r"9 runs, 1 model versions; [\d.]+ MB rehashed in [\d.]+ s\nall is sound\nexit 0\n", told), told
    assert "penguins, version 1: 344 records, 344 predictions in answers.csv" in told
    assert "Champion now: version 1." in told
