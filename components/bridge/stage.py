"""Runs one stage of one pipeline as DVC does: `python -m components.STAGE NAME`, from the repository's root.

Artifacts are written aside and renamed at the end, so that a killed stage leaves no half result; records are accounted for;
the run is tracked. Libraries' logs go to artifacts/NAME/logs/STAGE.log, so that the terminal shows what matters.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import re
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from components import progress
from components.bridge import accounting
from components.bridge.artifact_folder import existing, load_artifact, save_properties, uri_of, write_properties
from components.bridge.beam import context_args
from components.bridge.beam_check import check_beam
from components.bridge.graph import INPUTS, STAGES, WITHOUT_TFX, Plainly, begin_ahead, runs_without_tfx
from components.bridge.job import Job
from components.bridge.outcome import Outcome
from components.bridge.recipe import is_recipe_error
from components.environment import prepare
from components.errors import TensorlineError, UserError
from components.params.load import pipeline_file
from components.train.cluster import index_of_follower

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_component import BaseComponent
    from tfx.types.artifact import Artifact

RESUMABLE = ("tune", "train")
"""Stages that go on where they were killed, in the same MLflow run."""
_MAX_STEPS_SHOWN = 100  # of hundreds of trees some lines tell as much; the run has the whole curve

ON_BEAM = ("validate", "transform", "evaluate")
"""Stages with a Beam-powered component."""
KEEPING = ("ingest", "validate", "transform")
"""Stages that keep what the next run may take, where DVC deletes nothing."""

_KEY = re.compile(r"^(?=(?:recipe|data|validate|transform|model|tune|train|evaluate|register)[.:] ?\S)", re.MULTILINE)


def main(stage: str, argv: Sequence[str] | None = None, how: str = "cold") -> int:
    """Runs `stage` of the pipeline that `argv` names; returns the exit code: 0 done, 1 failure, 2 the user's mistake.

    Args:
        stage: A key of `STAGES`.
        argv: The command line, without the program; None for that of this process.
        how: How this process was started, for the log: warm, or cold and why.
    """
    parser = argparse.ArgumentParser(prog=f"python -m components.{stage}", description=f"The stage {stage} of one pipeline.")
    parser.add_argument("pipeline", help="a name under `pipelines` in params.yaml")
    name = parser.parse_args(argv).pipeline
    prepare()
    root = Path.cwd()
    started = time.monotonic()
    follower = index_of_follower() if stage == "train" else None
    log = _start_log(root, name, stage if follower is None else f"{stage}-worker-{follower}")
    logging.getLogger(__name__).info("started %s", how)
    terminal = _divert_stderr(log)
    _say(name, stage, f"started; the libraries' log: {_shown(log, root)}")
    try:
        lines = run_stage(stage, name, root)
    except TensorlineError as error:
        logging.getLogger(__name__).info("%s", traceback.format_exc())
        print(f"\n{name} · {stage}: {_located(str(error), name)}", file=terminal, flush=True)
        return error.exit_code
    except (KeyboardInterrupt, SystemExit) as stop:  # tracking turns SIGTERM into a SystemExit
        kept = "What was done is kept" if stage in RESUMABLE else "Nothing was half-written"
        advice = f"To go on: dvc repro, or python -m components.{stage} {name}"
        print(f"\n{name} · {stage}: stopped. {kept}. {advice}", file=terminal, flush=True)
        return stop.code if isinstance(stop, SystemExit) and isinstance(stop.code, int) else 130
    except Exception as error:  # noqa: BLE001  the last line of defence: one message, and the traceback where it can be read
        logging.getLogger(__name__).error("%s", traceback.format_exc())
        print(
            f"\n{name} · {stage}: failed with {type(error).__name__}: {error}\nThe whole story: {_shown(log, root)}",
            file=terminal,
            flush=True,
        )
        return 1
    for line in lines:
        _say(name, stage, line)
    written = f" → artifacts/{name}/" if follower is None else ""
    _say(name, stage, f"done in {time.monotonic() - started:.1f} s{written}")
    return 0


def run_stage(stage: str, name: str, root: Path) -> list[str]:
    """Runs `stage` of the pipeline `name`; returns what it has to tell, line by line.

    Raises: TensorlineError in its kinds; whatever a component raises.
    """
    from components.bridge.tracked import state_root, track

    job = Job.load(name, root)
    if stage in ON_BEAM:
        check_beam(job.shared.beam)
    if stage == "train" and job.params.train.strategy == "multi_worker" and index_of_follower() is not None:
        return _follow(job)
    with (
        begin_ahead(stage, job) as ahead,
        track(job, stage, resumable=stage in RESUMABLE) as tracked,
        progress.listening(_show_progress(job, stage)),
        progress.listening(tracked.on_progress),
        progress.listening(tracked.on_progress, again=True),
        progress.hearing(lambda text: _say(name, stage, text)),
    ):
        if tracked.run.before.num_attempts:
            _say(name, stage, f"goes on where it was stopped, in MLflow run {tracked.run.ref.run_id}")
        folders = {key: job.artifact(key) for key in INPUTS[stage]}
        scratch = job.artifact(f".partial-{stage}")
        shutil.rmtree(scratch, ignore_errors=True)  # left by a killed stage
        scratch.mkdir(parents=True)
        try:
            properties = tracked.exec_properties()
            if stage == "evaluate":
                baseline = tracked.champion_folder(scratch / ".champion")
                folders |= {} if baseline is None else {"baseline_model": baseline}
            elif stage == "validate":
                found, properties = tracked.champion_profile(scratch / ".champion")
                folders |= {} if found is None else {"baseline_profile": found}
            state = tracked.state_folder if stage in (*RESUMABLE, *KEEPING) else None
            made = execute(job, stage, folders, scratch, properties, state, nullcontext(ahead))
            _account(stage, folders, made)
        except TensorlineError:
            # What a refused stage found out (the anomalies, say) is worth seeing.
            tracked.log(_outcome(job, stage, {**folders, **_existing(scratch)}, failed=True))
            shutil.rmtree(scratch)
            raise
        outcome = _outcome(job, stage, {**folders, **made}, failed=False)
        tracked.log(outcome)
        for key, folder in made.items():
            _replace(folder, job.artifact(key))
        shutil.rmtree(scratch)
        tracked.write_run_file(job.artifact("runs") / f"{stage}.json")
        _remove_states(state_root(job, stage), tracked.state_folder if stage in KEEPING else None)
    return outcome.lines


def _remove_states(root: Path, kept: Path | None) -> None:
    """Removes the states of a stage that is done, also those of inputs that are no more; `kept` stays, if it was written."""
    if kept is None or not kept.is_dir():
        shutil.rmtree(root, ignore_errors=True)
        return
    for folder in root.iterdir():
        if folder != kept:
            shutil.rmtree(folder, ignore_errors=True)


def _follow(job: Job) -> list[str]:
    """Trains together with the process that runs the stage, the chief, which alone tracks and writes artifacts."""
    from components.bridge.tracked import state_folder

    folders = {key: job.artifact(key) for key in INPUTS["train"]}
    state = state_folder(job, "train")  # the chief's, which this process sees if they share their disk
    with tempfile.TemporaryDirectory(prefix="tensorline-") as scratch:
        execute(job, "train", folders, Path(scratch), {}, state if state.is_dir() else None)
    return ["followed the chief, which writes the model"]


def execute(
    job: Job,
    stage: str,
    folders: Mapping[str, Path],
    scratch: Path,
    properties: Mapping[str, Any],
    state: Path | None = None,
    ahead: AbstractContextManager[Any] | None = None,
) -> dict[str, Path]:
    """Runs the executors of a stage's components, without ML Metadata.

    Args:
        job: The pipeline.
        stage: A key of `STAGES`.
        folders: The artifacts that are there already, by output key.
        scratch: Folder to write the stage's artifacts to, each under its output key.
        properties: Exec properties that only this run knows, set where a component takes them.
        state: The components' temporary folder, if what they write there is to survive a kill; it may hold what was left.
        ahead: What `graph.begin_ahead` began, if that was done already.

    Returns: The folders that were made, by output key.
    """
    if runs_without_tfx(stage, job):
        with ahead or begin_ahead(stage, job) as begun:
            return _execute_plainly(job, stage, folders, scratch, properties, state or scratch / ".tmp", begun)
    from tfx.types import channel_utils

    channels = {key: channel_utils.as_channel([load_artifact(key, folder)]) for key, folder in folders.items()}
    made: dict[tuple[str, str], Artifact] = {}
    for component in STAGES[stage](job, channels):
        inputs = {key: _resolve(channel, made) for key, channel in component.spec.inputs.items()}
        outputs = {}
        for key, channel in component.spec.outputs.items():
            artifact = channel.type()
            artifact.uri = uri_of(scratch / key)
            Path(artifact.uri).mkdir()
            outputs[key] = [artifact]
            made[component.id, key] = artifact
        known = {key: value for key, value in properties.items() if key in component.spec.PARAMETERS}
        exec_properties = {**component.spec.exec_properties, **known}
        with _recipe_errors_as_ours():
            _executor(component, job, state or scratch / ".tmp").Do(inputs, outputs, exec_properties)
    for artifact in made.values():
        save_properties(artifact, Path(artifact.uri))
    return {key: scratch / key for _, key in made}


def _execute_plainly(
    job: Job,
    stage: str,
    folders: Mapping[str, Path],
    scratch: Path,
    properties: Mapping[str, Any],
    temporary: Path,
    ahead: Any,
) -> dict[str, Path]:
    """As `execute`, without TFX, whose import takes longer than such a stage."""
    inputs = {key: Path(uri_of(existing(key, folder))) for key, folder in folders.items()}
    with _recipe_errors_as_ours():
        made = WITHOUT_TFX[stage](Plainly(job, inputs, Path(uri_of(scratch)), Path(uri_of(temporary)), properties, ahead))
    for key, values in made.items():
        write_properties(values, scratch / key)
    return {key: scratch / key for key in made}


@contextmanager
def _recipe_errors_as_ours() -> Iterator[None]:
    """Recipes know no errors of ours. Raises: UserError for what a recipe refuses."""
    try:
        yield
    except ValueError as error:
        if is_recipe_error(error):
            raise UserError(str(error)) from error
        raise


def _resolve(channel: Any, made: Mapping[tuple[str, str], Artifact]) -> list[Artifact]:
    """The artifacts of a channel: given, or made by an earlier component of the stage."""
    producer = getattr(channel, "producer_component_id", None)
    if producer is not None and (producer, channel.output_key) in made:
        return [made[producer, channel.output_key]]
    return list(channel.get())


def _executor(component: BaseComponent, job: Job, temporary: Path) -> Any:
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.dsl.components.base.base_executor import BaseExecutor

    executor_class = component.executor_spec.executor_class
    common = {"tmp_dir": uri_of(temporary), "unique_id": component.id}
    if issubclass(executor_class, BaseBeamExecutor):
        context = BaseBeamExecutor.Context(**context_args(job.shared.beam), **common)
    else:
        context = BaseExecutor.Context(**common)
    return executor_class(context)


def _account(stage: str, folders: Mapping[str, Path], made: Mapping[str, Path]) -> None:
    if stage == "validate":
        accounting.check_statistics(folders["examples"], made["statistics"])
        accounting.check_profile(folders["examples"], made["profile"])
    elif stage == "transform":
        accounting.check_transformed(folders["examples"], made["transformed_examples"])


def _outcome(job: Job, stage: str, folders: Mapping[str, Path], *, failed: bool) -> Outcome:
    module = importlib.import_module(f"components.{stage}.outcome")
    function = getattr(module, "failed_outcome", None) if failed else module.outcome
    outcome: Outcome = function(job, folders) if function else Outcome()
    return outcome


def _existing(scratch: Path) -> dict[str, Path]:
    return {
        folder.name: folder
        for folder in scratch.iterdir()
        if folder.is_dir() and not folder.name.startswith(".") and any(folder.iterdir())
    }


def _replace(made: Path, final: Path) -> None:
    """Moves a finished artifact into its place; what stood there is gone only once the new one stands."""
    old = final.with_name(f".old-{final.name}")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    made.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _show_progress(job: Job, stage: str) -> progress.Listener:
    def show(metrics: Mapping[str, float], step: int, num_steps: int) -> None:
        if step % max(1, num_steps // _MAX_STEPS_SHOWN) and step not in {1, num_steps}:
            return
        shown = "  ".join(f"{name} {value:.4f}" for name, value in metrics.items() if name != "learning_rate")
        unit = "trial" if stage == "tune" else "epoch"
        _say(job.name, stage, f"{unit} {step}/{num_steps}  {shown}")

    return show


def _say(name: str, stage: str, text: str) -> None:
    for line in text.splitlines():
        print(f"{name} · {stage:<9} {line}", flush=True)


def _located(message: str, name: str) -> str:
    """Puts the file before each line that begins with a key of it: components know keys, not files."""
    return _KEY.sub(f"{pipeline_file(name)}: ", message)


def _start_log(root: Path, name: str, stage: str) -> Path:
    """Sends the libraries' logs and warnings to a file, which it returns."""
    folder = root / "artifacts" / name / "logs"
    if not (root / "pipelines" / name).is_dir():  # an unknown pipeline gets no folder; its message comes from load_pipeline
        folder = Path(tempfile.mkdtemp(prefix="tensorline-"))
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{stage}.log"
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(filename=log, filemode="w", level=logging.INFO, format=form, encoding="utf-8", force=True)
    logging.captureWarnings(capture=True)
    return log


def _divert_stderr(log: Path) -> TextIO:
    """Sends what native code writes to standard error to the log; returns the terminal's standard error.

    TensorFlow and TFDV write dozens of lines before any of their own settings can silence them.
    """
    terminal = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace")
    with log.open("a") as file:
        os.dup2(file.fileno(), 2)
    return terminal


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
