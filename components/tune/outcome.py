"""What tuning has to tell: the best hyperparameters, every trial as a nested run, and what mattered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.bridge.job import Job
from components.bridge.outcome import Outcome, Trial
from components.tune.component import TRIALS_FILE
from components.tune.importance import METHOD, MIN_TRIALS, importance
from components.tune.plots import importance_bars, parallel_coordinates
from components.tune.space import searched

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def outcome(job: Job, folders: Mapping[str, Path]) -> Outcome:
    """The best values, the trials they come from, and pictures of the search."""
    (best_file,) = folders["best_hyperparameters"].iterdir()
    values = json.loads(best_file.read_text(encoding="utf-8"))["values"]
    results = json.loads((folders["tuner_results"] / TRIALS_FILE).read_text(encoding="utf-8"))
    trials = results["trials"]
    shown = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in searched(values).items()
    )
    best = [trial["score"] for trial in trials if trial["hyperparameters"] == values and trial["score"] is not None]
    shares, figures = _pictures(results)
    return Outcome(
        lines=[f"{_origin(results)}: {shown}", *_notes(job, results, shares)],
        params={f"best.{name}": value for name, value in searched(values).items()},
        metrics={
            "num_trials": len(trials),
            "num_trials_failed": sum(trial["status"] != "COMPLETED" for trial in trials),
            **({"best_score": best[0]} if best else {}),
            **{f"importance.{name}": share for name, share in shares.items()},
        },
        figures=figures,
        trials=nested_runs(trials),
    )


def failed_outcome(job: Job, folders: Mapping[str, Path]) -> Outcome:
    """The trials of a search that found nothing."""
    folder = folders.get("tuner_results")
    if folder is None or not (folder / TRIALS_FILE).is_file():
        return Outcome()
    return Outcome(trials=nested_runs(json.loads((folder / TRIALS_FILE).read_text(encoding="utf-8"))["trials"]))


def nested_runs(trials: list[dict[str, Any]]) -> list[Trial]:
    """The trials of `trials.json` as the tracking store gets them."""
    return [
        Trial(
            f"trial-{trial['id']}",
            trial["hyperparameters"],
            trial["epochs"],
            trial["score"],
            trial["status"],
            trial["reason"],
        )
        for trial in trials
    ]


def _origin(results: Mapping[str, Any]) -> str:
    if results["max_trials"] == 0:
        return "the recipe's defaults (tune.max_trials: 0)"
    return f"best of {len(results['trials'])} trials"


def _notes(job: Job, results: Mapping[str, Any], shares: Mapping[str, float]) -> list[str]:
    trials = results["trials"]
    if not trials:
        return []
    notes = []
    if results["out_of_time"]:
        notes.append(f"stopped after {len(trials)} of {results['max_trials']} trials: tune.max_minutes is over")
    failed = [trial for trial in trials if trial["status"] != "COMPLETED"]
    notes += [f"trial {trial['id']} {trial['status'].lower()}, skipped: {trial['reason']}" for trial in failed]
    if shares:
        most = ", ".join(f"{name} {share:.2f}" for name, share in list(shares.items())[:3])
        notes.append(f"importance ({METHOD}): {most}")
    elif len(trials) - len(failed) < MIN_TRIALS:
        notes.append(f"fewer than {MIN_TRIALS} completed trials don't tell which hyperparameters matter")
    return [*notes, f"all trials: tensorline trials {job.name}"]


def _pictures(results: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, Figure]]:
    """Importance by hyperparameter, and the figures by file; empty where there is nothing to compare."""
    trials = [trial for trial in results["trials"] if trial["status"] == "COMPLETED"]
    if len(trials) < 2:
        return {}, {}
    names = varied(trials)
    if not names:
        return {}, {}
    shares = importance(trials, names)
    objective, direction = results["objective"], results["direction"]
    figures = {"search/parallel_coordinates.png": parallel_coordinates(trials, names, objective, direction)}
    if shares:
        figures["search/importance.png"] = importance_bars(shares, len(trials))
    return shares, figures


def varied(trials: list[dict[str, Any]]) -> list[str]:
    """The hyperparameters that are not the same in all trials, in the recipe's order."""
    names = dict.fromkeys(name for trial in trials for name in searched(trial["hyperparameters"]))
    return [name for name in names if len({trial["hyperparameters"].get(name) for trial in trials}) > 1]
