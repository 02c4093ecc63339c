"""A team's remotes, proved against real servers: DVC's in S3, MLflow on PostgreSQL with its artifacts in S3."""

from __future__ import annotations

import functools
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.errors import UserError
from components.tracking.moves import champion_version, history
from components.tracking.store import Store, sqlite_uri
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


PERSON = """
import sys
from pathlib import Path
from components.errors import UserError
from components.tracking.moves import champion_version
from components.tracking.provenance import GitState
from components.tracking.registry import DIGEST, Candidate, register_candidate
from components.tracking.runs import start_stage_run
from components.errors import UserError
from components.tracking.moves import champion_version, history
from components.tracking.store import Store, sqlite_uri
import mlflow, tensorflow

me, model, *stores = sys.argv[1:]
clean = GitState("c0ffee", "main", dirty=False, diff="", untracked=())
for store in map(Store, stores):
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(2):
        told = {"params": {"number": number}, "tags": {"by": me}}
        with start_stage_run(store, "duet", "train", git=clean, dependencies={}, **told) as run:
            run.log_history([{"loss": 1.0}] * 3)
            run.log_trial("trial 00", {"units": 1}, [], {"score": 1.0})
        while True:
            champion = champion_version(store, "duet")
            against = champion.tags[DIGEST] if champion else None
            why = f"better than {against}"
            candidate = Candidate("duet", "duet", Path(model), f"{me}{number}", True, why, {}, against, run.ref.run_id)
            try:
                register_candidate(store, candidate)
                break
            except UserError as error:  # the other was faster: judged against another champion than there is now
                assert "the evaluation compared the candidate with" in str(error), error
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
    assert (str(version.version), version.run_id, version.tags["tensorline.verdict"]) == (
        "1",
        train.info.run_id,
        "no incumbent",
    )
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


def test_two_people_at_once_lose_nothing(team: Team, tmp_path: Path) -> None:
    stores = [team.mlflow, sqlite_uri(tmp_path / "mlruns" / "mlflow.db")]
    model = team.ann.root / "artifacts" / "penguins" / "model"
    people = [
        subprocess.Popen(
            [sys.executable, "-c", PERSON, name, model, *stores],
            cwd=team.ann.root,
            env=team.ann.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("ann", "bob")
    ]
    for _ in stores:
        for person in people:
            assert person.stdout is not None
            assert person.stdout.readline() == "ready\n"
        for person in people:
            assert person.stdin is not None
            print(file=person.stdin, flush=True)
    for person in people:
        _, error = person.communicate(timeout=300)
        assert person.returncode == 0, error
    for store in map(Store, stores):
        experiment = store.client.get_experiment_by_name("duet").experiment_id
        runs = store.client.search_runs([experiment], "tags.`tensorline.stage` = 'train'")
        found = sorted((run.data.tags["by"], run.data.params["number"], run.info.status) for run in runs)
        assert found == [(name, str(number), "FINISHED") for name in ("ann", "bob") for number in range(2)]
        assert all(len(store.client.get_metric_history(run.info.run_id, "loss")) == 3 for run in runs)
        trials = store.client.search_runs([experiment], "tags.`tensorline.stage` = 'train.trial'")
        parents = sorted(trial.data.tags["mlflow.parentRunId"] for trial in trials)
        assert parents == sorted(run.info.run_id for run in runs)
        versions = store.client.search_model_versions("name = 'duet'")
        assert sorted(int(version.version) for version in versions) == [1, 2, 3, 4]
        digests = sorted(version.tags["tensorline.digest"] for version in versions)
        assert digests == [f"{name}{number}" for name in ("ann", "bob") for number in range(2)]
        # Each was judged against the champion that it replaced, so the moves are a chain.
        moves = history(store, "duet")
        assert [move.kind for move in moves] == ["promote"] * 4
        assert [move.from_version for move in moves] == [None, *(move.to_version for move in moves[:-1])]
        assert sorted(move.to_version or "" for move in moves) == ["1", "2", "3", "4"]
        digest_of = {str(version.version): version.tags["tensorline.digest"] for version in versions}
        assert [move.why for move in moves] == [f"better than {digest_of.get(move.from_version or '')}" for move in moves]
        champion = champion_version(store, "duet")
        assert champion is not None
        assert str(champion.version) == moves[-1].to_version
        (model_entry,) = store.client.search_registered_models("name = 'duet'")
        assert not [tag for tag in model_entry.tags if tag.startswith("tensorline.lock.")]


def test_the_champion_goes_back_and_both_see_it(team: Team) -> None:
    commands = ("rollback duet --why slow", "history duet")
    team.ann.edit("params.yaml", r"(  penguins: .*\n)", r"\1  duet: {data: data/penguins, recipe: recipes/tabular}\n")
    shutil.copytree(team.ann.root / "pipelines" / "penguins", team.ann.root / "pipelines" / "duet")
    team.ann.edit("pipelines/duet/params.yaml", "model_name: penguins", "model_name: duet")
    moves = history(Store(team.mlflow), "duet")
    told = team.ann.run(sys.executable, "-c", COMMANDS, *commands, **team.environment()).stdout
    now, before = moves[-1].to_version, moves[-2].to_version
    assert f"duet: the champion is version {before} now; it was version {now}.\nexit 0\n" in told
    assert f"Champion now: version {before}." in told


def test_a_host_that_the_server_does_not_allow(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    # 127.0.0.1 is allowed by MLflow's default, a name that others point there is not: the DNS rebinding that it prevents.
    monkeypatch.setattr(socket, "getaddrinfo", functools.partial(_resolve, socket.getaddrinfo))
    uri = team.mlflow.replace("127.0.0.1", "mlflow.team.example")
    message = (
        f"MLflow store {uri}: refused with status 403: Invalid Host header - possible DNS rebinding attack detected. Expected "
        "to be let in: for 401 set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN; for 403 "
        "ask who runs the server for the right to it, and whether its --allowed-hosts has this address"
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        _ = Store(uri).client


def _resolve(original: Callable[..., Any], host: str, *arguments: Any, **options: Any) -> Any:
    return original("127.0.0.1" if host == "mlflow.team.example" else host, *arguments, **options)
