"""The function that TFX's Tuner calls: a KerasTuner search over the recipe's own search space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras_tuner
from tfx.components.tuner.component import TunerFnResult

from components import progress
from components.train.fitting import prepare

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

PROJECT = "search"


class _Published:
    """Tells whoever listens how each trial ended, in place of KerasTuner's own print-outs."""

    def search_space_summary(self, extended: bool = False) -> None:
        """Stock Tuner calls it; the search space is in the trials' parameters."""

    def results_summary(self, num_trials: int = 10) -> None:
        """Stock Tuner calls it; see components/tune/outcome.py."""

    def on_trial_end(self, trial: Any) -> None:
        super().on_trial_end(trial)  # type: ignore[misc]
        oracle = self.oracle  # type: ignore[attr-defined]
        score = trial.score if trial.score is not None else float("nan")
        progress.publish({oracle.objective.name: float(score)}, len(oracle.end_order), oracle.max_trials)


class RandomSearch(_Published, keras_tuner.RandomSearch):
    """Random search (Bergstra & Bengio 2012)."""


class BayesianOptimization(_Published, keras_tuner.BayesianOptimization):
    """Bayesian optimisation with a Gaussian process (Snoek et al. 2012)."""


class Hyperband(_Published, keras_tuner.Hyperband):
    """Hyperband (Li et al. 2018)."""


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """A search as the section `tune` says; trials are judged on the eval split, never on test."""
    fitting = prepare(fn_args)
    settings = fitting.config["tune"]
    metric, direction = fitting.monitor()
    common = {
        "hypermodel": fitting.hypermodel(),
        "objective": keras_tuner.Objective(metric, direction),
        "seed": fitting.config["seed"],
        "directory": fn_args.working_dir,
        "project_name": PROJECT,
        "overwrite": True,
    }
    tuner: Any
    if settings["algorithm"] == "hyperband":
        tuner = Hyperband(max_epochs=settings["epochs"], **common)
        # Hyperband plans its own number of trials; the oracle stops at ours if that is smaller.
        tuner.oracle.max_trials = settings["max_trials"]
    elif settings["algorithm"] == "bayesian":
        tuner = BayesianOptimization(max_trials=settings["max_trials"], **common)
    else:
        tuner = RandomSearch(max_trials=settings["max_trials"], **common)
    return TunerFnResult(
        tuner=tuner,
        fit_kwargs={
            "x": fitting.train,
            "validation_data": fitting.eval,
            "epochs": settings["epochs"],
            "callbacks": fitting.early_stopping(),
            "class_weight": fitting.class_weight,
            "shuffle": False,  # the data set shuffles itself
            "verbose": 0,
        },
    )
