"""Every algorithm searches the recipe's space on eval, and tells how it goes; failures are told apart; time is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from components import progress
from components.errors import TensorlineError, UserError

pytestmark = pytest.mark.slow

SMALL = {"num_layers": 1, "units_0": 16}


def search(fn_args: Callable[..., SimpleNamespace], **tune: Any) -> Any:
    """The tuner, after its search."""
    from components.tune.tuner_fn import tuner_fn

    section = {"max_trials": 2, "epochs": 1, "space": SMALL, **tune}
    result = tuner_fn(fn_args(tune=section, train={"early_stopping": None}))
    result.tuner.search(**result.fit_kwargs)
    return result.tuner


@pytest.mark.parametrize(
    ("algorithm", "oracle"),
    [
        ("random", "RandomSearchOracle"),
        ("bayesian", "BayesianOptimizationOracle"),
        ("hyperband", "HyperbandOracle"),
        ("grid", "GridSearchOracle"),
    ],
)
def test_a_search_publishes_its_trials(fn_args: Callable[..., SimpleNamespace], algorithm: str, oracle: str) -> None:
    published: list[tuple[list[str], int, int]] = []
    with progress.listening(lambda metrics, step, num_steps: published.append((list(metrics), step, num_steps))):
        tuner = search(fn_args, algorithm=algorithm, objective="val_accuracy", epochs=2)
    assert type(tuner.oracle).__name__ == oracle
    assert (tuner.oracle.objective.name, tuner.oracle.objective.direction) == ("val_accuracy", "max")
    assert published == [(["val_accuracy"], 1, 2), (["val_accuracy"], 2, 2)]
    best = tuner.get_best_hyperparameters()[0]
    assert {"learning_rate", "dropout"} <= set(best.values)
    assert {name: best.values[name] for name in SMALL} == SMALL


def test_a_trial_is_what_it_is_whatever_ran_before(fn_args: Callable[..., SimpleNamespace]) -> None:
    """The same values give the same curve as the second trial and as the first: seeds and data begin anew."""
    others = {**SMALL, "dropout": 0.1, "weight_decay": 0.0}
    rates = {"values": [1e-2, 1e-3]}
    both = search(fn_args, algorithm="grid", space={**others, "learning_rate": rates}, epochs=2)
    values = [both.oracle.trials[trial_id].hyperparameters.values["learning_rate"] for trial_id in ("0", "1")]
    assert sorted(values) == [1e-3, 1e-2]

    def elsewhere(**sections: Any) -> SimpleNamespace:
        arguments = fn_args(**sections)
        arguments.working_dir += "-alone"
        return arguments

    alone = search(elsewhere, max_trials=1, space={**others, "learning_rate": values[1]}, epochs=2)
    assert len(both.oracle.curves["1"]) == 2
    assert alone.oracle.curves["0"] == both.oracle.curves["1"]
    assert both.oracle.curves["0"] != both.oracle.curves["1"]


@pytest.fixture
def trials_end(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], float | Exception | None]], None]:
    """Trials that fit nothing: number 0, 1, … ends as the function says, with a val_loss or an error (None: 0.5)."""
    from components.tune.search import Search

    def set_ends(end_of: Callable[[int], float | Exception | None]) -> None:
        def run_trial(self: Search, trial: Any, *args: Any, **kwargs: Any) -> list[dict[str, float]]:
            end = end_of(int(trial.trial_id))
            if isinstance(end, Exception):
                raise end
            return [{"val_loss": 0.5 if end is None else end}]

        monkeypatch.setattr(Search, "run_trial", run_trial)

    return set_ends


def test_a_failed_trial_is_marked_and_skipped(
    fn_args: Callable[..., SimpleNamespace], trials_end: Callable[..., None]
) -> None:
    import tensorflow as tf

    from components.tune.oracles import describe

    message = "OOM when allocating tensor with shape[1000000,1000000]\n\t [[node]]"
    errors = {0: tf.errors.ResourceExhaustedError(None, None, message), 1: MemoryError(), 2: ValueError("no such thing")}
    trials_end(errors.get)
    tuner = search(fn_args, max_trials=4)
    trials = describe(json.loads(tuner.oracle.state_file.read_text()))
    assert [(trial["status"], trial["reason"], trial["score"], trial["epochs"]) for trial in trials] == [
        ("FAILED", "out of memory: OOM when allocating tensor with shape[1000000,1000000]", None, []),
        ("FAILED", "out of memory: no more to be had", None, []),
        ("FAILED", "ValueError: no such thing", None, []),
        ("COMPLETED", None, 0.5, [{"val_loss": 0.5}]),
    ]
    assert tuner.get_best_hyperparameters()[0].values == trials[3]["hyperparameters"]


def test_a_search_that_cannot_work_stops_with_its_reason(
    fn_args: Callable[..., SimpleNamespace], trials_end: Callable[..., None]
) -> None:
    trials_end(lambda number: ValueError(f"shapes {number} and 7 do not match"))
    with pytest.raises(TensorlineError) as raised:
        search(fn_args, max_trials=20)
    assert str(raised.value) == (
        "The first 3 trials failed with the same error, so that the others would as well: ValueError: shapes 2 and 7 do not "
        "match\nMend its cause, or narrow tune.space to what can be run."
    )


def test_a_search_without_a_completed_trial_fails(
    fn_args: Callable[..., SimpleNamespace], trials_end: Callable[..., None]
) -> None:
    trials_end(lambda number: [ValueError("one"), KeyError("two")][number])
    with pytest.raises(TensorlineError) as raised:
        search(fn_args)
    assert str(raised.value) == "No trial completed.\ntrial 0: ValueError: one\ntrial 1: KeyError: 'two'"


def test_a_trial_that_diverged(fn_args: Callable[..., SimpleNamespace], trials_end: Callable[..., None]) -> None:
    trials_end({0: math.nan}.get)
    trials = search(fn_args).oracle.trials
    assert {key: (trial.status, trial.message) for key, trial in trials.items()} == {
        "0": ("FAILED", "diverged: val_loss is not a number after 1 epochs"),
        "1": ("COMPLETED", None),
    }


def test_an_objective_that_is_no_metric_stops_at_once(fn_args: Callable[..., SimpleNamespace]) -> None:
    with pytest.raises(UserError) as raised:
        search(fn_args, objective="val_acuracy")
    assert str(raised.value) == (
        "tune.objective: the model has no metric 'val_acuracy'. It has: accuracy, loss, val_accuracy, val_loss."
    )


def test_a_hyperparameter_that_the_recipe_does_not_have(fn_args: Callable[..., SimpleNamespace]) -> None:
    with pytest.raises(UserError) as raised:
        search(fn_args, space={"droput": 0.5})
    assert str(raised.value) == (
        "tune.space.droput: the recipe has no such hyperparameter. Did you mean 'dropout'? It has: dropout, learning_rate, "
        "num_layers, units_0, units_1, units_2, units_3, weight_decay."
    )


def test_time_is_up_after_one_completed_trial_at_the_earliest(
    fn_args: Callable[..., SimpleNamespace], trials_end: Callable[..., None]
) -> None:
    trials_end({0: ValueError("no")}.get)
    tuner = search(fn_args, max_trials=5, max_minutes=1e-9)
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["FAILED", "COMPLETED"]
    assert tuner.oracle.out_of_time


def test_time_is_up_after_the_epoch(fn_args: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch) -> None:
    from components.tune import search as module

    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    on_epoch_end = module._Watch.on_epoch_end

    def later(self: Any, epoch: int, logs: dict[str, float]) -> None:
        clock.now += 20
        on_epoch_end(self, epoch, logs)

    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(module._Watch, "on_epoch_end", later)
    tuner = search(fn_args, max_trials=5, epochs=2, max_minutes=1.0)
    assert [(trial.status, trial.message) for trial in tuner.oracle.trials.values()] == [
        ("COMPLETED", None),
        ("COMPLETED", "stopped after 1 epochs, when tune.max_minutes was over"),
    ]
    assert [len(tuner.oracle.curves[trial_id]) for trial_id in tuner.oracle.start_order] == [2, 1]
    assert tuner.oracle.seconds == 60.0


def test_several_workers_search_in_one_process(fn_args: Callable[..., SimpleNamespace]) -> None:
    from components.tune.tuner_fn import tuner_fn

    told: list[str] = []
    workers = {"early_stopping": None, "strategy": "multi_worker", "workers": 2}
    with progress.hearing(told.append):
        result = tuner_fn(fn_args(tune={"max_trials": 1, "epochs": 1, "space": SMALL}, train=workers))
    result.tuner.search(**result.fit_kwargs)
    assert [trial.status for trial in result.tuner.oracle.trials.values()] == ["COMPLETED"]
    assert told == ["train.strategy is multi_worker: trials train in this process alone, on one device"]
