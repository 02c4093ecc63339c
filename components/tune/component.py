"""TFX's Tuner that keeps the curve of every trial, not only its last score, and goes on with a search that was killed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tfx.components.tuner import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils

from components.errors import TensorlineError
from components.tune.oracles import STATE_FILE, describe
from components.tune.search import PROJECT

TRIALS_FILE = "trials.json"


class TunerExecutor(executor.Executor):
    """Adds `trials.json` to tuner_results: the objective, and id, status, score, values and epochs of every trial.

    The search lives in the executor's temporary folder. Where that folder outlives the process, a killed search goes on.
    """

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        """Raises: UserError for a mistake in the section `tune`; TensorlineError if no trial can work."""
        settings = json.loads(exec_properties["custom_config"])["tune"]
        project = Path(self._get_tmp_dir()) / PROJECT
        folder = Path(artifact_utils.get_single_uri(output_dict["tuner_results"]))
        try:
            super().Do(input_dict, output_dict, exec_properties)
        except TensorlineError:
            # A new attempt begins anew: the cause may be mended, and no trial is worth keeping.
            if (project / STATE_FILE).is_file():
                write_trials(project, settings, folder)
                shutil.rmtree(project)
            raise
        write_trials(project, settings, folder)


def write_trials(project: Path, settings: dict[str, Any], folder: Path) -> None:
    """Writes `trials.json` into `folder`, from the state of the search in `project`; nothing in it tells of time or place."""
    state = json.loads((project / STATE_FILE).read_text(encoding="utf-8"))
    found = results(state, settings)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TRIALS_FILE).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def results(state: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The content of `trials.json`, from the state of a search and the section `tune`."""
    return {
        "algorithm": settings["algorithm"],
        "objective": state["objective"]["name"],
        "direction": state["objective"]["direction"],
        "max_trials": settings["max_trials"],
        "out_of_time": state["oracle"]["out_of_time"],
        "trials": describe(state),
    }


class Tuner(component.Tuner):
    """See `TunerExecutor`."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(TunerExecutor)
