"""`tensorline trials NAME`: every trial of the last search, the best first. Reads only files, so that it answers at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from components.cli import find_root
from components.errors import UserError
from components.params.load import load_pipeline

_BOOK_KEEPING = "tuner/"  # Hyperband's own values; components.tune imports TensorFlow


@click.command("trials")
@click.argument("name")
def command(name: str) -> None:
    """Print every trial of pipeline NAME's last search with its score and its values, the best first."""
    from rich.console import Console
    from rich.table import Table

    root = find_root()
    load_pipeline(name, root)
    folder = root / "artifacts" / name
    console = Console(highlight=False)
    for state in sorted((folder / ".state" / "tune").glob("*/*/search/search.json")):
        console.print(f"\n{_underway(json.loads(state.read_text(encoding='utf-8')))}", soft_wrap=True)
    file = folder / "tuner_results" / "trials.json"
    if not file.exists():
        raise UserError(f"{file.relative_to(root)}: no such file. Expected the trials of '{name}'; dvc repro makes them.")
    results = json.loads(file.read_text(encoding="utf-8"))
    if not results["trials"]:
        console.print(f"{name}: no search, the recipe's defaults were taken (tune.max_trials: 0).")
        return
    trials = ordered(results["trials"], results["direction"])
    names = searched_names(trials)
    table = Table("trial", results["objective"], "status", "epochs", *names, box=None, pad_edge=False, header_style="bold")
    for trial in trials:
        table.add_row(*cells(trial, names))
    better = "higher" if results["direction"] == "max" else "lower"
    console.print(f"\n{name}: {results['algorithm']} search for {results['objective']}, {better} is better\n")
    # As wide as it is, also where the terminal is not: a cut number says nothing.
    wide = Console(highlight=False, width=10_000)
    Console(highlight=False, width=max(console.width, wide.measure(table).maximum)).print(table)
    console.print()
    for trial in trials:
        if trial["reason"]:
            console.print(f"trial {trial['id']}: {trial['reason']}", soft_wrap=True)
    if results["out_of_time"]:
        console.print(f"Stopped after {len(trials)} of {results['max_trials']} trials: tune.max_minutes was over.")


def ordered(trials: Sequence[dict[str, Any]], direction: str) -> list[dict[str, Any]]:
    """The best first; those without a score last; equal ones in the order of their start."""
    sign = -1 if direction == "max" else 1
    scored = [trial for trial in trials if trial["score"] is not None]
    return sorted(scored, key=lambda trial: sign * trial["score"]) + [trial for trial in trials if trial["score"] is None]


def searched_names(trials: Sequence[Mapping[str, Any]]) -> list[str]:
    """The recipe's hyperparameters, in the order in which the trials name them."""
    names = dict.fromkeys(name for trial in trials for name in trial["hyperparameters"])
    return [name for name in names if not name.startswith(_BOOK_KEEPING)]


def cells(trial: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """One row of the table."""
    # Of Hyperband the epochs that the trial ended at: a later round goes on with the weights of an earlier one.
    epochs = trial["hyperparameters"].get(f"{_BOOK_KEEPING}initial_epoch", 0) + len(trial["epochs"])
    score = "–" if trial["score"] is None else f"{trial['score']:.4f}"
    values = [_shown(trial["hyperparameters"].get(name)) for name in names]
    return [trial["id"], score, trial["status"], str(epochs), *values]


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _underway(state: Mapping[str, Any]) -> str:
    ended = len(state["oracle"]["end_order"])
    return (
        f"A search was begun and has not ended: {ended} of its trials have. dvc repro goes on with it if it is for the "
        "present data, code and parameters; if not, it is removed when the next search ends."
    )
