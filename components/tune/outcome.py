"""What tuning has to tell: the best hyperparameters, and every trial as a nested run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from components.bridge.job import Job
from components.bridge.outcome import Outcome, Trial
from components.tune.component import TRIALS_FILE


def outcome(job: Job, folders: Mapping[str, Path]) -> Outcome:
    """The best values, and the trials they come from."""
    (best_file,) = folders["best_hyperparameters"].iterdir()
    values = json.loads(best_file.read_text(encoding="utf-8"))["values"]
    trials = json.loads((folders["tuner_results"] / TRIALS_FILE).read_text(encoding="utf-8"))
    shown = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
    origin = f"best of {len(trials)} trials" if trials else "the recipe's defaults (tune.max_trials: 0)"
    best = [trial["score"] for trial in trials if trial["hyperparameters"] == values and trial["score"] is not None]
    return Outcome(
        lines=[f"{origin}: {shown}"],
        params={f"best.{name}": value for name, value in values.items()},
        metrics={"num_trials": len(trials), **({"best_score": best[0]} if best else {})},
        trials=[
            Trial(f"trial-{trial['id']}", trial["hyperparameters"], trial["epochs"], trial["score"], trial["status"])
            for trial in trials
        ],
    )
