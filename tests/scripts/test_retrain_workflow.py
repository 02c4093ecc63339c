"""The workflow that retrains: held against the published schema, and its steps run in order on machines that know nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.components.retrain.stub_repository import HEADER, ROOT, deliver, git, make_repository

WORKFLOWS = ROOT / ".github" / "workflows"
PINNED = re.compile(r"^\s*(?:- )?uses: (?P<action>[\w./-]+)@[0-9a-f]{40}  # v\d+\.\d+\.\d+$")
GH = """\
#!/usr/bin/env bash
# Stands for GitHub's command line: notes what it is asked, and knows one pull request once it was made.
printf '%s\\n' "$@" >> "$GH_LOG"
echo --- >> "$GH_LOG"
case "$1 $2" in
    "pr list") if [[ -e $GH_LOG.made ]]; then echo 7; fi ;;
    "pr create") touch "$GH_LOG.made"; echo https://github.example.com/pull/7 ;;
esac
"""
TENSORLINE = f"""\
#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from components.cli import main
sys.exit(main())
"""


def read(path: Path) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["ci.yml", "retrain.yml"])
def test_workflows_hold_the_published_schema(name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(WORKFLOWS / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["ci.yml", "retrain.yml"])
def test_actions_are_pinned_and_their_versions_told(name: str) -> None:
    uses = [line for line in (WORKFLOWS / name).read_text().splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if PINNED.match(line) is None] == []


def test_a_step_is_one_command_that_exists_and_holds_no_expression() -> None:
    for name in ("ci.yml", "retrain.yml"):
        for job in read(WORKFLOWS / name)["jobs"].values():
            for command in (step["run"] for step in job["steps"] if "run" in step):
                assert re.fullmatch(r"make \w+|[\w./]+", command), command
                if not command.startswith("make "):
                    assert os.access(ROOT / command, os.X_OK), command


def test_permissions_secrets_and_limits_of_the_retraining() -> None:
    workflow = read(WORKFLOWS / "retrain.yml")
    jobs = workflow["jobs"]
    assert workflow["permissions"] == {}
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "build": {"contents": "read"},
        "publish": {"contents": "write", "pull-requests": "write"},
    }
    assert all(job["timeout-minutes"] <= 180 for job in jobs.values())
    assert workflow["concurrency"] == {"group": "retrain-${{ github.ref }}", "cancel-in-progress": False}
    for job in jobs.values():
        for step in job["steps"]:
            elsewhere = {key: value for key, value in step.items() if key != "env"}
            assert "secrets." not in json.dumps(elsewhere)
            assert "github.token" not in json.dumps(elsewhere)
    assert not any("make" in step.get("run", "") for step in jobs["publish"]["steps"])


@dataclass
class World:
    """A repository on a server, a DVC remote, an MLflow store, and machines that come and go.

    Attributes:
        folder: All of it.
        machines: How many there were.
    """

    folder: Path
    machines: int = 0

    @property
    def origin(self) -> Path:
        return self.folder / "origin.git"

    def clone(self) -> Path:
        """A fresh machine."""
        self.machines += 1
        root = self.folder / f"machine {self.machines}"
        git(self.folder, "clone", "--quiet", "--depth", "1", self.origin.as_uri(), str(root))
        (root / ".venv" / "bin").mkdir(parents=True)
        (root / ".venv" / "bin" / "tensorline").write_text(TENSORLINE)
        (root / ".venv" / "bin" / "tensorline").chmod(0o755)
        return root

    def run_job(self, name: str, root: Path, **environment: str) -> dict[str, int]:
        """Runs the steps of a job in order, also after one that failed; returns command → exit code."""
        codes = {}
        path = f"{self.folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "GITHUB_", "GIT_", "CI"))}
        given = {
            "PATH": path,
            "PYTHONPATH": str(ROOT),
            "GITHUB_OUTPUT": str(self.folder / "outputs"),
            "GITHUB_REF_NAME": "main",
            "GH_LOG": str(self.folder / "gh.log"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder / 'team.db'}",
        }
        for step in read(WORKFLOWS / "retrain.yml")["jobs"][name]["steps"]:
            command = step.get("run", "make setup")
            if command == "make setup":  # an action, or what tests/scripts/test_setup.py holds
                continue
            done = subprocess.run(
                ["bash", "-e", "-c", command],
                cwd=root,
                env={**kept, **given, **environment},
                capture_output=True,
                text=True,
                check=False,
            )
            codes[command] = done.returncode
            (self.folder / f"{root.name}.log").open("a").write(f"$ {command}\n{done.stdout}{done.stderr}")
        return codes

    def log(self) -> str:
        """What the last machine said."""
        return (self.folder / f"machine {self.machines}.log").read_text()

    def round(self, **environment: str) -> dict[str, int]:
        """The whole workflow: a machine builds, hands its folder over, another publishes."""
        built = self.clone()
        codes = self.run_job("build", built, **environment)
        published = self.clone()
        shutil.copytree(built / "retrain-out", published / "retrain-out")
        return codes | self.run_job("publish", published, **environment)

    def asked(self) -> list[list[str]]:
        """What gh was asked since the last time, argument by argument."""
        log = self.folder / "gh.log"
        if not log.exists():
            return []
        calls = [call.splitlines() for call in log.read_text().split("---\n")[:-1]]
        log.unlink()
        return calls

    def show(self, what: str) -> str:
        """A file of a branch on the server, as `branch:path`."""
        return git(self.origin, "show", what)


@pytest.fixture
def world(tmp_path: Path) -> World:
    source = make_repository(tmp_path / "source")
    shutil.copytree(ROOT / "scripts", source / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (source / ".dvc" / "config").write_text(
        f"[core]\n    analytics = false\n    remote = shared\n['remote \"shared\"']\n    url = {tmp_path / 'remote'}\n"
    )
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "The scripts, and a remote")
    git(tmp_path, "clone", "--quiet", "--bare", str(source), "origin.git")
    git(source, "remote", "add", "origin", str(tmp_path / "origin.git"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text(GH)
    (tmp_path / "bin" / "gh").chmod(0o755)
    return World(tmp_path)


BUILD = {"scripts/retrain_pull.sh": 0, "scripts/retrain_run.sh": 0, "scripts/retrain_push.sh": 0}
DONE = {**BUILD, "scripts/retrain_publish.sh": 0}


@pytest.mark.slow
@pytest.mark.e2e
def test_the_steps_in_order(world: World) -> None:
    source = world.folder / "source"
    # The first model: proposed as a pull request, its artifacts in the remote before.
    assert world.round(PIPELINE="birds") == DONE, world.log()
    listed, created = world.asked()
    assert listed[:6] == ["pr", "list", "--head", "tensorline/retrain", "--base", "main"]
    options = ["--head", "tensorline/retrain", "--base", "main", "--title", "birds: version 1 promoted"]
    assert created == ["pr", "create", *options, "--body-file", "retrain-out/report.md"]
    assert git(world.origin, "show", "--format=%an: %s", "--name-only", "tensorline/retrain").splitlines() == [
        "Tensorline: Retrained: birds: version 1 promoted",
        "",
        "dvc.lock",
        "pipelines/birds/heartbeat.json",
    ]
    assert git(world.origin, "rev-parse", "tensorline/retrain~1") == git(world.origin, "rev-parse", "main")
    assert git(world.origin, "ls-tree", "-r", "--name-only", "tensorline/heartbeat") == "pipelines/birds/heartbeat.json"
    lock = YAML(typ="safe", pure=True).load(world.show("tensorline/retrain:dvc.lock"))
    built = {out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
    assert built <= {f"{path.parent.name}{path.name}" for path in (world.folder / "remote").rglob("*") if path.is_file()}

    # The next day nobody has merged it: nothing is built twice, and the heart beats.
    before = json.loads(world.show("tensorline/heartbeat:pipelines/birds/heartbeat.json"))
    assert world.round() == DONE, world.log()
    assert world.asked() == []
    after = json.loads(world.show("tensorline/heartbeat:pipelines/birds/heartbeat.json"))
    assert after["checked_at"] > before["checked_at"]
    assert (after["attempt"], after["champion"]) == (before["attempt"], "1")
    assert git(world.origin, "rev-list", "--count", "tensorline/heartbeat") == "2"

    # It is merged, new data come, the model is worse: the proposal says so, and the champion stays.
    git(source, "fetch", "--quiet", "origin")
    git(source, "merge", "--quiet", "--no-edit", "origin/tensorline/retrain")
    deliver(source, "2", "noisy")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "New data")
    git(source, "push", "--quiet", "origin", "main")
    assert world.round() == DONE, world.log()
    _, edited = world.asked()
    assert edited == ["pr", "edit", "7", "--title", "birds: version 2 refused", "--body-file", "retrain-out/report.md"]
    report = (world.folder / f"machine {world.machines}" / "retrain-out" / "report.md").read_text()
    assert "\n| records read | 3 | 6 |\n" in report  # dvc pull brought what the build before had read

    # Data that a stage refuses: the job is red, nothing is proposed, the heart beats.
    deliver(source, "3", "good", header=HEADER.replace("beak", "bill"))
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "Broken data")
    git(source, "push", "--quiet", "origin", "main")
    assert world.round() == {**DONE, "scripts/retrain_run.sh": 3}, world.log()
    assert world.asked() == []
    beat = json.loads(world.show("tensorline/heartbeat:pipelines/birds/heartbeat.json"))
    assert beat["attempt"]["outcome"] == "stopped"


def test_without_a_store_nothing_is_built(world: World) -> None:
    root = world.clone()
    environment = {"PATH": os.environ["PATH"], "HOME": str(world.folder)}
    done = subprocess.run(["scripts/retrain_run.sh"], cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "retrain: MLFLOW_TRACKING_URI is not set, and there is no mlruns/mlflow.db. Expected the store that knows the "
        "champion, or every model would be the first: set it to your MLflow server (docs/retraining.md).\n"
    )


def test_gitlab_is_asked_for_a_merge_request(world: World) -> None:
    git(world.origin, "config", "receive.advertisePushOptions", "true")
    hook = world.origin / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nenv | grep ^GIT_PUSH_OPTION_[0-9] | sort >> '{world.folder}/options'\n")
    hook.chmod(0o755)
    root = world.clone()
    out = root / "retrain-out"
    (out / "pipelines" / "birds").mkdir(parents=True)
    (out / "pipelines" / "birds" / "heartbeat.json").write_text("{}\n")
    (out / "dvc.lock").write_text("schema: '2.0'\n")
    (out / "report.md").write_text("# birds: version 2 promoted\n")
    given = {"GITLAB_CI": "true", "CI_DEFAULT_BRANCH": "main", "CI_JOB_URL": "https://gitlab.example.com/job/5"}
    assert world.run_job("publish", root, **given) == {"scripts/retrain_publish.sh": 0}, world.log()
    assert (world.folder / "options").read_text().splitlines() == [
        "GIT_PUSH_OPTION_0=merge_request.create",
        "GIT_PUSH_OPTION_1=merge_request.target=main",
        "GIT_PUSH_OPTION_2=merge_request.title=birds: version 2 promoted",
        "GIT_PUSH_OPTION_3=merge_request.description=The report: https://gitlab.example.com/job/5",
    ]
    assert world.show("tensorline/retrain:dvc.lock") == "schema: '2.0'"
