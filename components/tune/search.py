"""One search: trials that don't depend on what ran before them, failures told apart, a limit of time."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
import tensorflow as tf
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FatalError

from components import progress
from components.bridge.recipe import is_recipe_error
from components.errors import TensorlineError, UserError

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = "search"
NUM_HOPELESS = 3
"""So many failures with the same error, before any trial completed, stop the search."""
_MAX_REASON_CHARS = 300
_logger = logging.getLogger(__name__)


class Search(keras_tuner.Tuner):
    """KerasTuner's loop over trials.

    A trial starts as the training does: all seeds anew, and the data set from its first epoch on. So it gives the same result
    whichever trials the same process ran before, and an interrupted search ends as an undisturbed one.
    """

    def __init__(
        self,
        oracle: Any,
        recipe: Any,
        directory: Path,
        *,
        seed: int,
        make_train: Callable[[], tf.data.Dataset],
        make_callbacks: Callable[[], list[keras.callbacks.Callback]],
        max_minutes: float | None,
    ) -> None:
        """Takes up the search that `directory` holds, or begins one.

        Args:
            oracle: As `oracles.make_oracle` makes it.
            recipe: Builds and fits the models.
            directory: For the state of the search.
            seed: Of each trial.
            make_train: The training split, from its first epoch on.
            make_callbacks: Fresh callbacks of one trial.
            max_minutes: tune.max_minutes.
        """
        self._seed, self._make_train, self._make_callbacks = seed, make_train, make_callbacks
        self._max_seconds = math.inf if max_minutes is None else 60 * max_minutes
        self._started = time.monotonic()
        with contextlib.redirect_stdout(io.StringIO()):  # KerasTuner tells that it reloads
            super().__init__(oracle, recipe, directory=str(directory), project_name=PROJECT, overwrite=False)

    # What KerasTuner prints is in the trials' table and runs.

    def search_space_summary(self, extended: bool = False) -> None:
        """Stock Tuner calls it; the search space is in the trials' parameters."""

    def results_summary(self, num_trials: int = 10) -> None:
        """Stock Tuner calls it; see components/tune/outcome.py."""

    def _get_tuner_fname(self) -> str:
        return str(self.oracle.state_file)  # its presence is what makes KerasTuner reload

    def save(self) -> None:
        """The oracle's state is all there is."""
        self.oracle.save()

    def reload(self) -> None:
        """See `oracles.Resumable.reload`."""
        self.oracle.reload()

    def on_search_begin(self) -> None:
        """Tells of the trials that ended before the search was interrupted, so that its curve has no gap."""
        for number, trial_id in enumerate(self.oracle.end_order):
            self._publish(self.oracle.trials[trial_id], number + 1, again=True)

    def on_trial_begin(self, trial: Trial) -> None:
        self._started = time.monotonic()

    def on_trial_end(self, trial: Trial) -> None:
        oracle = self.oracle
        oracle.seconds += self._elapsed_s()
        self._started = time.monotonic()
        more = len(oracle.end_order) + 1 < oracle.max_trials
        oracle.out_of_time = more and self.out_of_time()
        super().on_trial_end(trial)
        self._publish(trial, len(oracle.end_order))
        self._stop_if_hopeless()

    def on_search_end(self) -> None:
        """Raises: TensorlineError if no trial completed."""
        if self.oracle.num_completed == 0:
            raise TensorlineError("\n".join(["No trial completed.", *self._failures()]))

    def run_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> list[dict[str, float]]:
        """Fits one model; returns the metrics of each epoch."""
        hp = trial.hyperparameters
        watch = _Watch(self)
        callbacks = [watch, *self._make_callbacks()]
        if "tuner/epochs" in hp.values:  # Hyperband, whose later trials go on from these weights
            kwargs |= {"epochs": hp.values["tuner/epochs"], "initial_epoch": hp.values["tuner/initial_epoch"]}
            callbacks.append(self._checkpoint(trial))
        model = self._try_build(hp)
        history = self.hypermodel.fit(hp, model, self._make_train(), callbacks=callbacks, **kwargs)
        if watch.stopped:
            trial.message = f"stopped after {len(history.epoch)} epochs, when tune.max_minutes was over"
        return [
            {name: float(values[index]) for name, values in history.history.items()} for index in range(len(history.epoch))
        ]

    def out_of_time(self) -> bool:
        """Whether the search has taken as long as it may, and has something to show for it."""
        return self.oracle.num_completed > 0 and self.oracle.seconds + self._elapsed_s() >= self._max_seconds

    def _build_hypermodel(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        keras.utils.set_random_seed(self._seed)
        model = super()._build_hypermodel(hp)
        if "tuner/trial_id" in hp.values:
            if model.compiled:
                model.optimizer.build(model.trainable_variables)  # its state is taken up as well
            model.load_weights(self._get_checkpoint_fname(hp.values["tuner/trial_id"]))
        return model

    def _run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        objective, epochs = self.oracle.objective, self.run_trial(trial, *args, **kwargs)
        self.oracle.curves[trial.trial_id] = epochs
        scores = {step: epoch[objective.name] for step, epoch in enumerate(epochs) if not math.isnan(epoch[objective.name])}
        if not scores:
            raise _DivergedError(f"{objective.name} is not a number after {len(epochs)} epochs")
        best = (max if objective.direction == "max" else min)(scores, key=lambda step: scores[step])
        self.oracle.update_trial(trial.trial_id, {objective.name: scores[best]}, step=best)

    def _try_run_and_update_trial(self, trial: Trial, *args: Any, **kwargs: Any) -> None:
        try:
            self._run_and_update_trial(trial, *args, **kwargs)
        except (TensorlineError, FatalError):  # holds for every trial
            raise
        except Exception as error:
            if is_recipe_error(error):
                raise
            _logger.exception("trial %s failed", trial.trial_id)
            trial.status, trial.message = "FAILED", reason(error)
        except BaseException:
            self.oracle.interrupted(trial)
            raise
        else:
            trial.status = "COMPLETED"

    def _checkpoint(self, trial: Trial) -> keras.callbacks.Callback:
        objective = self.oracle.objective
        return keras.callbacks.ModelCheckpoint(
            self._get_checkpoint_fname(trial.trial_id),
            monitor=objective.name,
            mode=objective.direction,
            save_best_only=True,
            save_weights_only=True,
        )

    def _publish(self, trial: Trial, number: int, *, again: bool = False) -> None:
        score = trial.score if trial.score is not None else float("nan")
        progress.publish({self.oracle.objective.name: float(score)}, number, self.oracle.max_trials, again=again)

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started

    def _failures(self) -> list[str]:
        trials = self.oracle.trials
        return [f"trial {trial_id}: {trials[trial_id].message}" for trial_id in self.oracle.end_order]

    def _stop_if_hopeless(self) -> None:
        """Raises: TensorlineError if each of the first trials failed, and all in the same way."""
        ended = [self.oracle.trials[trial_id] for trial_id in self.oracle.end_order]
        if len(ended) != NUM_HOPELESS or any(trial.status != "FAILED" for trial in ended):
            return
        # Sizes and shapes differ from trial to trial.
        if len({re.sub(r"\d+", "#", trial.message or "") for trial in ended}) == 1:
            raise TensorlineError(
                f"The first {NUM_HOPELESS} trials failed with the same error, so that the others would as well: "
                f"{ended[-1].message}\nMend its cause, or narrow tune.space to what can be run."
            )


class _DivergedError(Exception):
    """A trial whose objective was never a number."""


class _Watch(keras.callbacks.Callback):
    """Stops a trial that can't be judged, and one for which no time is left."""

    def __init__(self, search: Search) -> None:
        super().__init__()
        self._search = search
        self.stopped = False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        name, logs = self._search.oracle.objective.name, logs or {}
        if name not in logs:
            raise UserError(f"tune.objective: the model has no metric '{name}'. It has: {', '.join(sorted(logs))}.")
        if self._search.out_of_time():
            self.stopped = self.model.stop_training = True


def reason(error: Exception) -> str:
    """Why a trial failed, on one line."""
    lines = str(error).strip().splitlines()
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        text = f"out of memory: {lines[0] if lines else 'no more to be had'}"
    elif isinstance(error, _DivergedError):
        text = f"diverged: {error}"
    else:
        text = f"{type(error).__name__}: {lines[0] if lines else ''}"
    return text if len(text) <= _MAX_REASON_CHARS else f"{text[: _MAX_REASON_CHARS - 1]}…"
