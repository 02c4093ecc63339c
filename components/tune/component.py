"""TFX's Tuner that keeps the curve of every trial, not only its last score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tfx.components.tuner import component, executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils

from components.tune.tuner_fn import PROJECT

TRIALS_FILE = "trials.json"


class TunerExecutor(executor.Executor):
    """Adds `trials.json` to tuner_results: id, status, score, hyperparameters and metrics by epoch of every trial."""

    def Do(self, input_dict: dict[str, Any], output_dict: dict[str, Any], exec_properties: dict[str, Any]) -> None:
        super().Do(input_dict, output_dict, exec_properties)
        project = Path(self._get_tmp_dir()) / PROJECT
        trials = [summarise(json.loads(file.read_text())) for file in sorted(project.glob("trial_*/trial.json"))]
        folder = Path(artifact_utils.get_single_uri(output_dict["tuner_results"]))
        (folder / TRIALS_FILE).write_text(json.dumps(trials, indent=1) + "\n", encoding="utf-8")


def summarise(state: dict[str, Any]) -> dict[str, Any]:
    """A KerasTuner trial's state as one entry of `trials.json`."""
    metrics = state["metrics"]["metrics"]
    steps = sorted({seen["step"] for metric in metrics.values() for seen in metric["observations"]})
    epochs = [
        {
            name: float(seen["value"][-1])
            for name, metric in metrics.items()
            for seen in metric["observations"]
            if seen["step"] == step
        }
        for step in steps
    ]
    return {
        "id": state["trial_id"],
        "status": state["status"],
        "score": state["score"],
        "best_epoch": state["best_step"],
        "hyperparameters": state["hyperparameters"]["values"],
        "epochs": epochs,
    }


class Tuner(component.Tuner):
    """See `TunerExecutor`."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(TunerExecutor)
