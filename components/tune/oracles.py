"""KerasTuner's oracles, mended so that a killed search goes on where it stopped, with no trial repeated and none lost.

KerasTuner 1.4.8 writes each trial to a file of its own and the oracle to another, neither in one piece. A kill between the two
writes leaves a trial that nobody runs again, or runs a completed one again (keras-tuner#494, #976); a kill within one leaves
half a file. And some of what an oracle goes by is in no file: the grid's queue, the random numbers of the Bayesian oracle.
Here the whole search is one file, replaced as one, and what an oracle goes by is either in it or follows from it.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial
from keras_tuner.src.tuners.gridsearch import LinkedList

STATE_FILE = "search.json"
MAX_STARTS = 6
"""A trial in which the process died so often is given up, whatever killed it."""
MAX_OUT_OF_MEMORY = 2
"""A trial in which it died so often while the system killed some process for want of memory is given up as well."""
_KERNEL_COUNTERS = Path("/proc/vmstat")
_OTHER_SEED = 2**31 - 1
"""In place of 0, which KerasTuner takes for none, and then draws one of its own."""


class Resumable:
    """What every oracle here has beside KerasTuner's own.

    Attributes:
        curves: Trial id → metrics of each epoch.
        starts: Trial id → how often it was begun.
        out_of_memory: Trial id → how often the process died in it while the system killed for want of memory.
        oom_kills: `oom_kills` when the last trial was begun.
        seconds: How long the trials took that have ended, in all runs of the search together.
        out_of_time: Whether tune.max_minutes ended the search.
    """

    # KerasTuner's, told for the type checker.
    trials: dict[str, Any]
    ongoing_trials: dict[str, Any]
    start_order: list[str]
    end_order: list[str]
    max_trials: int
    hyperparameters: Any
    objective: Any
    seed: int
    _retry_queue: list[str]

    def __init__(self, **kwargs: Any) -> None:
        kwargs["seed"] = kwargs["seed"] or _OTHER_SEED
        super().__init__(**kwargs)
        self.curves: dict[str, list[dict[str, float]]] = {}
        self.starts: dict[str, int] = {}
        self.out_of_memory: dict[str, int] = {}
        self.oom_kills = 0
        self.seconds = 0.0
        self.out_of_time = False

    @property
    def state_file(self) -> Path:
        """The whole search, as `save` writes it."""
        return Path(self._project_dir) / STATE_FILE  # type: ignore[attr-defined]

    @property
    def num_completed(self) -> int:
        """How many trials have a score."""
        return sum(trial.status == "COMPLETED" for trial in self.trials.values())

    def create_trial(self, tuner_id: str) -> Trial:
        """The next trial; its status is STOPPED if there is none, or no time left."""
        if self.out_of_time:
            return Trial(hyperparameters=self.hyperparameters.copy(), status="STOPPED")
        trial = super().create_trial(tuner_id)  # type: ignore[misc]
        if trial.status == "RUNNING":
            self.starts[trial.trial_id] = self.starts.get(trial.trial_id, 0) + 1
            self.oom_kills = oom_kills()
            self.save()
        return trial

    def interrupted(self, trial: Trial) -> None:
        """Notes that the trial was stopped in good order (Ctrl-C, SIGTERM), which is no sign that it can't be run."""
        self.starts[trial.trial_id] -= 1
        self.save()

    def get_state(self) -> dict[str, Any]:
        return {
            **super().get_state(),  # type: ignore[misc]
            "curves": self.curves,
            "starts": self.starts,
            "out_of_memory": self.out_of_memory,
            "oom_kills": self.oom_kills,
            "seconds": self.seconds,
            "out_of_time": self.out_of_time,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)  # type: ignore[misc]
        self.curves, self.starts = state["curves"], state["starts"]
        self.out_of_memory, self.oom_kills = state["out_of_memory"], state["oom_kills"]
        self.seconds, self.out_of_time = state["seconds"], state["out_of_time"]

    def save(self) -> None:
        """Replaces the state file by the present state, in one piece."""
        trials = [self.trials[trial_id].get_state() for trial_id in self.start_order]
        objective = {"name": self.objective.name, "direction": self.objective.direction}
        text = json.dumps({"objective": objective, "oracle": self.get_state(), "trials": trials})
        aside = self.state_file.with_suffix(".partial")
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.state_file)

    def reload(self) -> None:
        """Goes on from the state file: the trial that ran when the process died is the next one to be run."""
        state = json.loads(self.state_file.read_text(encoding="utf-8"))
        self.trials = {trial["trial_id"]: Trial.from_state(trial) for trial in state["trials"]}
        self.set_state(state["oracle"])
        # KerasTuner saves a trial that has ended before it takes it off the list of those that run.
        running = [trial for trial in self.ongoing_trials.values() if trial.status == "RUNNING"]
        self.ongoing_trials = {}
        for trial in running:
            trial.message = self._why_to_give_up(trial.trial_id)
            if trial.message is None:
                self._retry_queue.append(trial.trial_id)
            else:
                trial.status = "FAILED"
                self.end_order.append(trial.trial_id)
        self.save()  # with what was counted

    def _why_to_give_up(self, trial_id: str) -> str | None:
        """Why a trial in which the process died is not begun again; None if it is."""
        if oom_kills() > self.oom_kills:
            self.out_of_memory[trial_id] = self.out_of_memory.get(trial_id, 0) + 1
            self.oom_kills = oom_kills()
        if self.out_of_memory.get(trial_id, 0) >= MAX_OUT_OF_MEMORY:
            return f"out of memory: the system killed the process {MAX_OUT_OF_MEMORY} times while this trial ran"
        if self.starts.get(trial_id, 0) >= MAX_STARTS:
            return f"the process died {MAX_STARTS} times while this trial ran, for whatever reason"
        return None

    def _save_trial(self, trial: Trial) -> None:
        """Not by itself: `save` writes all trials together with the oracle."""

    def _check_consecutive_failures(self) -> None:
        """Left to `Search`, once the trial has ended and is saved."""


class RandomSearchOracle(Resumable, keras_tuner.oracles.RandomSearchOracle):
    """Random search (Bergstra & Bengio 2012)."""


class HyperbandOracle(Resumable, keras_tuner.oracles.HyperbandOracle):
    """Hyperband (Li et al. 2018): many trials of few epochs, of which the best go on."""


class BayesianOptimizationOracle(Resumable, keras_tuner.oracles.BayesianOptimizationOracle):
    """Bayesian optimisation with a Gaussian process and its lower confidence bound (Snoek et al. 2012)."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """As KerasTuner's, but that it begins to reason after a third of the trials, and never proposes the same values twice.

        KerasTuner's own default are three random trials for each hyperparameter, which is often more than all trials.
        """
        dimensions = len(self.hyperparameters.space)
        self.num_initial_points = max(3, min(3 * dimensions, self.max_trials // 3))
        # A resumed search is to draw what an undisturbed one draws: by the trial, not by what was drawn before.
        self._random_state = np.random.RandomState(self.seed + len(self.start_order))
        proposed: dict[str, Any] = super().populate_space(trial_id)
        if proposed["values"] is not None and self._duplicate(proposed["values"]):
            return self._random_populate_space()
        return proposed


class GridSearchOracle(Resumable, keras_tuner.oracles.GridSearchOracle):
    """Every combination of values, the defaults first; of a range without step, ten values and the default."""

    def reload(self) -> None:
        super().reload()
        # The trials in the order of their values, and all that have ended as candidates for a next combination: those whose
        # next combination was tried are passed over.
        self._ordered_ids = LinkedList()
        values = {trial_id: self.trials[trial_id].hyperparameters.values for trial_id in self.start_order}

        def compare(a: str, b: str) -> int:
            order: int = self._compare(values[a], values[b])
            return order

        for trial_id in sorted(self.start_order, key=functools.cmp_to_key(compare)):
            self._ordered_ids.insert(trial_id)
        self._populate_next = list(self.end_order)


def oom_kills() -> int:
    """How many processes the Linux kernel has killed for want of memory since it started; 0 where it does not tell.

    Of the whole machine: a process cannot be asked after its death, and its control group may be gone with it.
    """
    try:
        counters = _KERNEL_COUNTERS.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in counters if line.startswith("oom_kill ")), 0)


def make_oracle(settings: Mapping[str, Any], objective: tuple[str, str], seed: int, space: Any) -> Any:
    """The oracle that the section `tune` asks for.

    Args:
        settings: The section as JSON types.
        objective: (metric, min or max).
        seed: Of all that the oracle draws.
        space: `keras_tuner.HyperParameters` that the search begins with.
    """
    common = {"objective": keras_tuner.Objective(*objective), "seed": seed, "hyperparameters": space}
    if settings["algorithm"] == "hyperband":
        oracle = HyperbandOracle(max_epochs=settings["epochs"], **common)
        # Hyperband plans its own number of trials; it stops at ours if that is smaller.
        oracle.max_trials = settings["max_trials"]
        return oracle
    classes = {"random": RandomSearchOracle, "bayesian": BayesianOptimizationOracle, "grid": GridSearchOracle}
    return classes[settings["algorithm"]](max_trials=settings["max_trials"], **common)


def describe(state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The trials of a saved search, in the order of their start, as `trials.json` holds them."""
    curves: Mapping[str, Sequence[dict[str, float]]] = state["oracle"]["curves"]
    return [
        {
            "id": trial["trial_id"],
            "status": trial["status"],
            "score": trial["score"],
            "best_epoch": trial["best_step"],
            "hyperparameters": trial["hyperparameters"]["values"],
            "epochs": curves.get(trial["trial_id"], []),
            "reason": trial["message"],
        }
        for trial in state["trials"]
    ]
