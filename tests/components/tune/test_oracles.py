"""Wherever a search is killed: it goes on with no trial repeated and none lost, and ends as an undisturbed one."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
import pytest

from components.tune import oracles
from components.tune.oracles import MAX_OUT_OF_MEMORY, MAX_STARTS, make_oracle

ALGORITHMS = {"random": 9, "bayesian": 5, "hyperband": 9, "grid": 9}
"""And how many trials of each; a Gaussian process takes its time."""


def new_oracle(folder: Path, algorithm: str, **settings: Any) -> Any:
    hp = keras_tuner.HyperParameters()
    hp.Int("layers", 1, 3)
    hp.Choice("units", [16, 32, 64], default=32)
    hp.Float("rate", 1e-4, 1e-2, sampling="log")
    section = {"algorithm": algorithm, "max_trials": ALGORITHMS[algorithm], "epochs": 9, **settings}
    oracle = make_oracle(section, ("val_loss", "min"), 7, hp)
    oracle._set_project_dir(str(folder), "search")
    oracle.verbose = 0
    return oracle


def end(oracle: Any, trial: Any) -> None:
    """The trial fails where it has one layer; else its score follows from its values alone."""
    values = trial.hyperparameters.values
    if values["layers"] == 1 and values["units"] == 16:
        trial.status, trial.message = "FAILED", "too small"
    else:
        score = values["layers"] + values["units"] / 100 - math.log(values["rate"]) / values.get("tuner/epochs", 1)
        oracle.curves[trial.trial_id] = [{"val_loss": score}]
        oracle.update_trial(trial.trial_id, {"val_loss": score})
        trial.status = "COMPLETED"
    oracle.end_trial(trial)


def run_to_the_end(oracle: Any, started: list[str]) -> dict[str, Any]:
    """The final state, without what tells of interruptions."""
    while (trial := oracle.create_trial("tuner0")).status == "RUNNING":
        started.append(trial.trial_id)
        end(oracle, trial)
    state: dict[str, Any] = json.loads(oracle.state_file.read_text())
    for name in ("starts", "out_of_memory", "oom_kills", "ongoing_trials", "run_times", "display"):
        state["oracle"].pop(name)
    state["oracle"]["tried_so_far"].sort()
    return state


@pytest.fixture
def snapshots(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[str]]:
    """Notes what lies on the disk after each time the oracle saves."""

    def watch(oracle: Any) -> list[str]:
        seen: list[str] = []
        save = oracle.save

        def watched() -> None:
            save()
            seen.append(oracle.state_file.read_text())

        monkeypatch.setattr(oracle, "save", watched)
        return seen

    return watch


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_kill_at_any_moment_changes_nothing(tmp_path: Path, algorithm: str, snapshots: Callable[[Any], list[str]]) -> None:
    oracle = new_oracle(tmp_path / "undisturbed", algorithm)
    seen, order = snapshots(oracle), []
    undisturbed = run_to_the_end(oracle, order)
    assert order == [str(number) for number in range(len(order))]
    assert len(order) == ALGORITHMS[algorithm]
    assert len(seen) == 3 * len(order)  # begun, begun for the first time, ended
    for number, text in enumerate(seen):
        if algorithm == "bayesian" and number % 3 == 1:
            continue
        state = json.loads(text)
        resumed = new_oracle(tmp_path / f"killed-{number}", algorithm)
        resumed.state_file.write_text(text)
        resumed.reload()
        again: list[str] = []
        assert run_to_the_end(resumed, again) == undisturbed
        assert again == order[len(state["oracle"]["end_order"]) :]


@pytest.mark.parametrize("algorithm", ["random", "hyperband", "grid"])
def test_no_values_are_tried_twice(tmp_path: Path, algorithm: str) -> None:
    state_trials = run_to_the_end(new_oracle(tmp_path, algorithm, max_trials=30), [])["trials"]
    values = [trial["hyperparameters"]["values"] for trial in state_trials]
    # Hyperband goes on with the best of its trials, for more epochs.
    assert len({json.dumps(each, sort_keys=True) for each in values}) == len(values)


def test_bayes_proposes_no_values_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = new_oracle(tmp_path, "bayesian")
    first = oracle.create_trial("tuner0")
    end(oracle, first)
    same = {"status": "RUNNING", "values": dict(first.hyperparameters.values)}
    monkeypatch.setattr(keras_tuner.oracles.BayesianOptimizationOracle, "populate_space", lambda self, trial_id: same)
    assert oracle.create_trial("tuner0").hyperparameters.values != same["values"]


def test_a_seed_of_0_is_a_seed(tmp_path: Path) -> None:
    hp = keras_tuner.HyperParameters()
    assert {make_oracle({"algorithm": "random", "max_trials": 2}, ("loss", "min"), 0, hp).seed for _ in range(3)} == {
        2**31 - 1
    }


def die(folder: Path, times: int) -> Any:
    """The search after the process died so often in trial 0."""
    for number in range(times):
        oracle = new_oracle(folder, "random")
        if number:
            oracle.reload()
        assert oracle.create_trial("tuner0").trial_id == "0"  # and the process dies
    oracle = new_oracle(folder, "random")
    oracle.reload()
    return oracle


def test_a_trial_in_which_the_process_dies_again_and_again_is_given_up(tmp_path: Path) -> None:
    oracle = die(tmp_path, MAX_STARTS)
    assert oracle.create_trial("tuner0").trial_id == "1"
    assert (oracle.trials["0"].status, oracle.trials["0"].message) == (
        "FAILED",
        "the process died 6 times while this trial ran, for whatever reason",
    )


def test_a_trial_that_the_system_kills_for_want_of_memory_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = itertools.count()
    monkeypatch.setattr(oracles, "oom_kills", lambda: next(count))
    oracle = die(tmp_path, MAX_OUT_OF_MEMORY)
    assert oracle.create_trial("tuner0").trial_id == "1"
    assert (oracle.trials["0"].status, oracle.trials["0"].message) == (
        "FAILED",
        "out of memory: the system killed the process 2 times while this trial ran",
    )


@pytest.mark.parametrize(("content", "expected"), [("oom_killer 7\noom_kill 3\n", 3), ("pgfault 1\n", 0), (None, 0)])
def test_what_the_kernel_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, expected: int) -> None:
    counters = tmp_path / "vmstat"
    if content is not None:
        counters.write_text(content)
    monkeypatch.setattr(oracles, "_KERNEL_COUNTERS", counters)
    assert oracles.oom_kills() == expected


def test_a_trial_that_was_stopped_in_good_order_is_not_given_up(tmp_path: Path) -> None:
    for number in range(MAX_STARTS + 1):
        oracle = new_oracle(tmp_path, "random")
        if number:
            oracle.reload()
        trial = oracle.create_trial("tuner0")
        assert trial.trial_id == "0"
        oracle.interrupted(trial)
