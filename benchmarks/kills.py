"""`python -m benchmarks.kills`: kills the stages tune and train -9 at ten random moments each, and tells how they went on.

A stage of the pipeline penguins is started, killed, started again, and so on, and then left to end. A moment is a random
number of trials or epochs later, and a random time after that; where the number is 0, a random time after the process started.
A kill was survived cleanly if the next process went on with the trial or epoch after the last one. The stage was, if it
ends with the bytes of an undisturbed one, in the MLflow run that the first process began, with one point a step.
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
  max_trials: 30
  epochs: 4

train:
  epochs: 100
  batch_size: 16
  early_stopping: {patience: 99}
"""
"""So many steps that ten kills fall into them."""
MAX_STEPS = {"tune": 2, "train": 8}


def run(folder: Path) -> Iterator[dict[str, Any]]:
    """Yields what became of each kill: `stage`, `done` before it, `begun` after it, `clean`; and of the stage: `problems`."""
    base = _prepare(folder / "base")
    draw = random.Random(SEED)  # noqa: S311  moments, no secrets
    for stage, keys in OUTPUTS.items():
        undisturbed, killed = folder / f"{stage}-undisturbed", folder / f"{stage}-killed"
        for root in (undisturbed, killed):
            shutil.copytree(base, root)
        _command(stage, undisturbed).check_returncode()
        done, run_id = 0, None
        for number in range(NUM_KILLS):
            steps = draw.randint(0, MAX_STEPS[stage])
            told = _kill(stage, killed, steps, draw.uniform(0.0, 2.0 if steps else 20.0))
            begun = _steps(told)
            if number:
                yield {"stage": stage, "done": done, "begun": begun[:1], "clean": not begun or begun[0] - done in {1, 2}}
            done = begun[-1] if begun else done
            runs = _runs(killed)
            run_id = run_id or (runs[0].info.run_id if runs else None)
        last = _command(stage, killed)
        begun = _steps(last.stdout)
        yield {"stage": stage, "done": done, "begun": begun[:1], "clean": not begun or begun[0] - done in {1, 2}}
        yield {"stage": stage, "problems": list(_problems(stage, killed, undisturbed, run_id, last))}
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


def _kill(stage: str, root: Path, steps: int, delay_s: float) -> str:
    """Starts the stage, kills it `delay_s` after it told of the last of so many steps; what it told."""
    command = [sys.executable, "-u", "-m", f"components.{stage}", NAME]
    told = ""
    with subprocess.Popen(
        command, cwd=root, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101  for the type checker
        while len(_steps(told)) < steps:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{stage} ended before it was killed: raise the number of its steps in SECTIONS:\n{told}")
            told += line
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read()
    return told


def _steps(told: str) -> list[int]:
    """The trials or epochs that a stage told of as ended."""
    return [int(number) for number in re.findall(r"(?:epoch|trial) (\d+)/", told)]


def _runs(root: Path) -> list[Any]:
    """The runs of stages, the nested ones left out; none if the process did not come so far."""
    if not (root / "mlruns" / "mlflow.db").exists():
        return []
    client = open_store(root).client
    experiment = client.get_experiment_by_name(NAME)
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    return [each for each in runs if "mlflow.parentRunId" not in each.data.tags]


def _problems(
    stage: str, root: Path, undisturbed: Path, run_id: str | None, last: subprocess.CompletedProcess[str]
) -> Iterator[str]:
    if last.returncode != 0:
        yield f"the last process ended with {last.returncode}: {last.stderr.strip()[-300:]}"
        return
    expected, found = _files(stage, undisturbed), _files(stage, root)
    if different := sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name)):
        yield f"other bytes: {', '.join(different)}"
    if (root / "artifacts" / NAME / ".state" / stage).exists():
        yield "the state is still there"
    runs = _runs(root)
    if [run.info.status for run in runs] != ["FINISHED"]:
        yield f"runs: {', '.join(run.info.status for run in runs)}"
    if run_id not in [run.info.run_id for run in runs]:
        yield "another run than the first process began"
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
    """Prints each kill and each stage's end; returns 1 if one was not clean, and then keeps the folder."""
    folder = Path(tempfile.mkdtemp(prefix="tensorline-kills-"))
    clean = True
    for result in run(folder):
        if "problems" in result:
            clean &= not result["problems"]
            told = "; ".join(result["problems"]) or f"killed {NUM_KILLS} times, ended as the undisturbed one, in one run"
        else:
            clean &= result["clean"]
            went_on = f"went on with {result['begun'][0]}" if result["begun"] else "was killed before another ended"
            told = f"{result['done']:3d} done, {went_on}{'' if result['clean'] else ': not clean'}"
        print(f"{result['stage']:<5} {told}", flush=True)
    if clean:
        shutil.rmtree(folder)
        return 0
    print(f"what is left lies in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
