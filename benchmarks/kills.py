"""`python -m benchmarks.kills`: kills the stages tune and train -9 at ten random moments each, and tells how they went on.

Each time the stage of a fresh copy of the pipeline penguins is killed once, at a moment drawn from the whole time that it
takes undisturbed (start of the process and writing of the model included), and started again. It went on cleanly if the
second process ends well with the same bytes as an undisturbed one, in the MLflow run of the first, with one point a step.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.tracking.store import open_store

ROOT = Path(__file__).parents[1]
NAME = "penguins"
NUM_KILLS = 10
SEED = 4
OUTPUTS = {"tune": ("best_hyperparameters", "tuner_results"), "train": ("model", "model_run")}
NAMED_BY_PROCESS = {"saved_model.pb", "fingerprint.pb"}
"""TensorFlow numbers a graph's functions as the process makes them, and gives each SavedModel a random id."""
SECTIONS = """\
tune:
  algorithm: random
  max_trials: 5
  epochs: 6

train:
  epochs: 60
  batch_size: 16
  early_stopping: {patience: 50}
"""
"""So long that most moments fall into the work itself, not into imports."""


def run(folder: Path) -> Iterator[dict[str, Any]]:
    """Yields what became of each kill: `stage`, `moment_s` of `whole_s`, `done` before it, `clean`, `problems`."""
    base = _prepare(folder / "base")
    draw = random.Random(SEED)  # noqa: S311  moments, no secrets
    for stage, keys in OUTPUTS.items():
        undisturbed = folder / f"{stage}-undisturbed"
        shutil.copytree(base, undisturbed)
        started = time.perf_counter()
        _command(stage, undisturbed).check_returncode()
        whole_s = time.perf_counter() - started
        for number in range(NUM_KILLS):
            root = folder / f"{stage}-{number}"
            told = None
            while told is None:  # it ended before the moment came
                shutil.rmtree(root, ignore_errors=True)
                shutil.copytree(base, root)
                moment_s = draw.uniform(0.0, whole_s)
                told = _kill(stage, root, moment_s)
            killed_runs = _runs(root)
            again = _command(stage, root)
            problems = list(_problems(stage, root, undisturbed, killed_runs, again))
            done = re.findall(r"(?:epoch|trial) (\d+)/", told)
            yield {
                "stage": stage,
                "moment_s": moment_s,
                "whole_s": whole_s,
                "done": int(done[-1]) if done else 0,
                "clean": not problems,
                "problems": problems,
            }
            if not problems:
                shutil.rmtree(root)
        if stage == "tune":  # the best hyperparameters are what train takes
            for key in keys:
                shutil.copytree(undisturbed / "artifacts" / NAME / key, base / "artifacts" / NAME / key)


def _prepare(root: Path) -> Path:
    """A repository in which the pipeline is ready to be tuned."""
    root.mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        (root / name).write_text(text.replace(f"  # {NAME}:", f"  {NAME}:"), encoding="utf-8")
    for name in ("components", "recipes", "pipelines", "schemas", "data"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    file = root / "pipelines" / NAME / "params.yaml"
    before, _, rest = file.read_text(encoding="utf-8").partition("tune:\n")
    file.write_text(before + SECTIONS + "\nevaluate:" + rest.partition("\nevaluate:")[2], encoding="utf-8")
    for stage in ("ingest", "validate", "transform"):
        _command(stage, root).check_returncode()
    shutil.rmtree(root / "mlruns")
    return root


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": ""}


def _command(stage: str, root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"components.{stage}", NAME]
    return subprocess.run(command, cwd=root, env=_environment(), capture_output=True, text=True, check=False)


def _kill(stage: str, root: Path, moment_s: float) -> str | None:
    """Starts the stage, kills it after `moment_s`; what it told. None if it had ended by then."""
    log = root / "told.txt"
    with log.open("w") as file:
        command = [sys.executable, "-u", "-m", f"components.{stage}", NAME]
        process = subprocess.Popen(command, cwd=root, env=_environment(), stdout=file, stderr=subprocess.DEVNULL)
        try:
            process.wait(moment_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    told = log.read_text(encoding="utf-8")
    return None if "done in " in told else told


def _runs(root: Path) -> list[Any]:
    """The runs of stages, the nested ones left out; none if the process did not come so far."""
    if not (root / "mlruns" / "mlflow.db").exists():
        return []
    client = open_store(root).client
    experiment = client.get_experiment_by_name(NAME)
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    return [each for each in runs if "mlflow.parentRunId" not in each.data.tags]


def _problems(
    stage: str, root: Path, undisturbed: Path, killed_runs: list[Any], again: subprocess.CompletedProcess[str]
) -> Iterator[str]:
    if again.returncode != 0:
        yield f"the second process ended with {again.returncode}: {again.stderr.strip()[-300:]}"
        return
    expected, found = _files(stage, undisturbed), _files(stage, root)
    if different := sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name)):
        yield f"other bytes: {', '.join(different)}"
    if (root / "artifacts" / NAME / ".state" / stage).exists():
        yield "the state is still there"
    runs = _runs(root)
    if [run.info.status for run in runs] != ["FINISHED"]:
        yield f"runs: {', '.join(run.info.status for run in runs)}"
    if killed_runs and killed_runs[0].info.run_id not in [run.info.run_id for run in runs]:
        yield "another run"
    if _curves(runs, root) != _curves(_runs(undisturbed), undisturbed):
        yield "other curves, or two points of one step"


def _files(stage: str, root: Path) -> dict[str, bytes]:
    folder = root / "artifacts" / NAME
    return {
        str(file.relative_to(folder)): b"" if file.name in NAMED_BY_PROCESS else file.read_bytes()
        for key in OUTPUTS[stage]
        for file in (folder / key).rglob("*")
        if file.is_file()
    }


def _curves(runs: list[Any], root: Path) -> list[tuple[str, int, float]]:
    """(metric, step, value) of the runs and of the trials nested in them."""
    client = open_store(root).client
    nested = [
        child
        for run in runs
        for child in client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    ]
    return sorted(
        (f"{run.info.run_name} {name}", point.step, point.value)
        for run in [*runs, *nested]
        for name in run.data.metrics
        for point in client.get_metric_history(run.info.run_id, name)
    )


def main() -> int:
    """Prints each kill and the sum; returns 1 if one was not clean, whose folder is then kept."""
    folder = Path(tempfile.mkdtemp(prefix="tensorline-kills-"))
    clean = dict.fromkeys(OUTPUTS, 0)
    for result in run(folder):
        clean[result["stage"]] += result["clean"]
        moment = f"{result['stage']:<5} killed after {result['moment_s']:5.1f} of {result['whole_s']:5.1f} s"
        told = "clean" if result["clean"] else "; ".join(result["problems"])
        print(f"{moment}, {result['done']:3d} {'trials' if result['stage'] == 'tune' else 'epochs'} done: {told}", flush=True)
    print(", ".join(f"{stage}: {number} of {NUM_KILLS} clean" for stage, number in clean.items()))
    if min(clean.values()) == NUM_KILLS:
        shutil.rmtree(folder)
        return 0
    print(f"what is left lies in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
