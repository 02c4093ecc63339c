"""All stages of penguins, forked from a server with the real libraries, write what they write without it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.bridge.graph import STAGES
from tests.conftest import ROOT, copy_repository

# TensorFlow writes these in the order of a set of strings, or with a random number, which are others in every process.
OTHERS = ("fingerprint.pb", "saved_model.pb")
# They hold ids of runs, times, or the latency of the canary.
APART = (".state/", "canary/", "logs/", "registration/", "runs/")


def digests(folder: Path) -> dict[str, str]:
    """Of what the stages up to evaluate made."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(files.items())
        if not name.startswith(APART) and not any(other in name for other in OTHERS)
    }


@pytest.mark.slow
def test_all_stages_of_penguins(tmp_path: Path) -> None:
    root, cold = copy_repository(tmp_path / "repository"), copy_repository(tmp_path / "cold")
    (tmp_path / "run").mkdir()
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    environment = {**kept, "TENSORLINE_WARM": "1", "XDG_RUNTIME_DIR": str(tmp_path / "run"), "PYTHONPATH": str(ROOT)}

    tensorline = str(Path(sys.executable).with_name("tensorline"))

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    try:
        start = "from components.warm import client, place; import os; client.start(place.Place(os.getcwd()))"
        subprocess.run([sys.executable, "-c", start], cwd=root, env=environment, check=True)
        end = time.monotonic() + 180
        while "stages so far" not in (told := run(tensorline, "warm", "status")):
            assert time.monotonic() < end, told
            time.sleep(1)
        for stage in STAGES:
            run("-m", f"components.{stage}", "penguins")
            log = (root / "artifacts" / "penguins" / "logs" / f"{stage}.log").read_text()
            assert "started warm: forked from the warm server, process " in log, log
        assert "7 stages so far" in run(tensorline, "warm", "status")
    finally:
        run(tensorline, "warm", "stop")
    every_stage = f"for stage in {tuple(STAGES)}: run_stage(stage, 'penguins', Path.cwd())"
    code = f"from pathlib import Path; from components.bridge.stage import run_stage\n{every_stage}"
    subprocess.run([sys.executable, "-c", code], cwd=cold, env=environment, capture_output=True, check=True)
    made = digests(root / "artifacts" / "penguins")
    assert made == digests(cold / "artifacts" / "penguins")
    assert {"model/model.json", "best_hyperparameters/best_hyperparameters.txt"} & made.keys()
