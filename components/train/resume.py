"""Training that goes on where it was killed, as if nothing had been: under Keras' `fit`, the custom loop, and a recipe's own.

Keras' BackupAndRestore brings back the weights, the optimizer and the number of the epoch. A training is more than that: early
stopping knows the best weights so far and for how long it has waited, the history has a curve, dropout and augmentation have
their seeds, metrics their sums, and a shuffled dataset has another order for each pass. Here all of it is in the backup, or
follows from it, so that with train.deterministic a resumed training ends with the bytes of an undisturbed one.

`make_resumable(model, folder)` is the whole of it: from then on, each call of `model.fit`

* goes on after the last epoch of which `folder` has a backup, with everything as it was at its end;
* writes a backup at the end of each epoch, aside and then renamed, so that a kill at any moment leaves the one before.

A recipe may call `model.fit` several times, as one does that fine-tunes in a second phase: each call is a phase with a backup
of its own. On resumption the recipe runs as ever: a phase that had ended comes back with its last epoch, trains no further,
and returns its history; the one that was killed goes on.

What is backed up, and what is not: see `_Backup`.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import random
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.errors import TensorlineError

_META = "meta.json"
_NOT_STATE = ("params", "_model")
"""Attributes of callbacks that `fit` itself sets."""
_DAMAGED = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error)
_logger = logging.getLogger(__name__)


def make_resumable(
    model: keras.Model,
    folder: Path,
    *,
    after: Callable[[], Sequence[keras.callbacks.Callback]] = tuple,
    writes: bool = True,
) -> None:
    """Has `model.fit` go on from the backups in `folder`, and make them.

    Args:
        model: As `Fitting.build` gives it. Its `fit` is replaced, in this one object.
        folder: Where the backups of exactly this training lie (the same data, code and parameters), or will; made if missing.
        after: Makes callbacks that hear of an epoch only when its backup is written, and that find the epochs before a kill in
            `model.history` as the training begins.
        writes: Whether this process makes the backups. Of several workers that train together one does, and all read them.

    Raises (from `fit`): TensorlineError if a backup is of another model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    backups = _Backups(folder, writes=writes)
    model.fit = functools.partial(_fit, model.fit, backups, after)


class _Backups:
    """The backups of a training's phases, one file each: `phase-0.zip`, …"""

    def __init__(self, folder: Path, *, writes: bool) -> None:
        self._folder, self.writes, self._num_begun = folder, writes, 0

    def next_phase(self) -> tuple[Path, _State | None]:
        """The file of the phase that begins, and the state that it holds, if any.

        One that can't be read, or was made by other versions of the libraries, is as none: the phase begins anew. Those of
        later phases, which went on from it, are then removed.
        """
        number = self._num_begun
        self._num_begun += 1
        file = self._file(number)
        if not file.exists():
            return file, None
        try:
            state = _read(file)
            if state.versions == _versions():
                return file, state
            problem = f"made with {state.versions}, and this is {_versions()}"
        except _DAMAGED as error:
            problem = f"{type(error).__name__}: {error}"
        _logger.warning("%s: the backup can't be taken up, so this phase of the training begins anew: %s", file, problem)
        if self.writes:
            while self._file(number).exists():
                self._file(number).unlink()
                number += 1
        return file, None

    def _file(self, number: int) -> Path:
        return self._folder / f"phase-{number}.zip"


@dataclass(frozen=True)
class _State:
    """What a backup holds.

    Attributes:
        epoch: The last that ended, counted from 0.
        stopped: Whether a callback had ended the training with it.
        variables: Values, in the order of `_variables`. Keras numbers layers as a process makes them, so names tell nothing.
        callbacks: Class name and attributes of each.
        random: Of Python's and NumPy's global generators.
        versions: Of the libraries that a training's result depends on.
    """

    epoch: int
    stopped: bool
    variables: list[np.ndarray]
    callbacks: list[tuple[str, dict[str, Any]]]
    random: dict[str, Any]
    versions: dict[str, str]


def _fit(
    fit: Callable[..., Any],
    backups: _Backups,
    after: Callable[[], Sequence[keras.callbacks.Callback]],
    x: tf.data.Dataset,
    *,
    epochs: int = 1,
    initial_epoch: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **kwargs: Any,
) -> keras.callbacks.History:
    """One phase; see the module."""
    file, state = backups.next_phase()
    others = [*callbacks, keras.callbacks.History()]
    backup = _Backup(file, others, state, writes=backups.writes)
    first_epoch = initial_epoch
    if state is not None:
        first_epoch = epochs if state.stopped else state.epoch + 1
        # A shuffled dataset takes another order each time that it is begun: as often as it was begun before. After its last
        # epoch, `fit` begins it once more.
        num_begun = state.epoch + 1 - initial_epoch
        for _ in range(num_begun + (first_epoch >= epochs)):
            iter(x)
        _logger.info("%s: goes on after epoch %d of %d", file, state.epoch + 1, epochs)
    try:
        return fit(x, epochs=epochs, initial_epoch=first_epoch, callbacks=[*others, backup, *after()], **kwargs)
    except (SystemExit, KeyboardInterrupt):
        backup.finish()
        raise


class _Backup(keras.callbacks.Callback):
    """Brings the state back as the training begins, and backs it up as each epoch ends: the last of those that change it.

    State is: the variables of the model, of every optimizer that is an attribute of it, and of the metrics, those of each
    replica in this process; of each callback (early stopping, the history, a recipe's own) the attributes that are numbers,
    texts, None, arrays, or lists, tuples and dicts of these, all others being as the callback itself made them when the
    training began; Python's and NumPy's global generators of random numbers. What else changes as a model trains is not
    brought back: Python attributes of the model, and the states that tf.random's ops without a seed of their own keep in
    TensorFlow (Keras' layers draw with variables).
    """

    def __init__(self, file: Path, others: Sequence[keras.callbacks.Callback], state: _State | None, *, writes: bool) -> None:
        super().__init__()
        self._file, self._others, self._state, self._writes = file, others, state, writes
        self._unwritten: int | None = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Raises: TensorlineError if the backup is of another model."""
        if self._state is None:
            return
        state, self._state = self._state, None
        variables = _variables(self.model)
        found = [value.shape for value in state.variables], [kind for kind, _ in state.callbacks]
        expected = (
            [tuple(variable.shape) for variable in variables],
            [type(callback).__name__ for callback in self._others],
        )
        if found != expected:
            raise TensorlineError(
                f"{self._file}: the backup has other variables or callbacks than the model and its training. Expected those "
                "of the same code and parameters: remove the file to begin anew."
            )
        for variable, value in zip(variables, state.variables, strict=True):
            variable.assign(value.view(variable.dtype.as_numpy_dtype))  # bfloat16 comes back as bytes
        for callback, (_, attributes) in zip(self._others, state.callbacks, strict=True):
            vars(callback).update(attributes)
            # Which of two values is better, Keras decides when an epoch ends, and a recipe may ask when none is left.
            if getattr(callback, "monitor_op", ()) is None:
                min_delta = callback.min_delta
                callback._set_monitor_op()  # noqa: SLF001  there is no public way
                callback.min_delta = min_delta  # its sign has been set as well
        random.setstate(state.random["python"])
        np.random.set_state(state.random["numpy"])  # noqa: NPY002  the global one is what callbacks draw from

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self._writes:
            self._unwritten = epoch
            self.finish()

    def finish(self) -> None:
        """Writes the backup of an epoch that has ended, if a signal came in between."""
        if self._unwritten is None:
            return
        state = _State(
            epoch=self._unwritten,
            stopped=bool(self.model.stop_training),
            variables=[variable.numpy() for variable in _variables(self.model)],
            callbacks=[(type(callback).__name__, _plain_attributes(callback)) for callback in self._others],
            random={"python": random.getstate(), "numpy": np.random.get_state()},  # noqa: NPY002
            versions=_versions(),
        )
        _write(self._file, state)
        self._unwritten = None


def _variables(model: keras.Model) -> list[tf.Variable]:
    """All that changes; of a variable that replicas hold, each one's own."""
    optimizers = [value for value in vars(model).values() if isinstance(value, keras.optimizers.Optimizer)]
    everything = [*model.variables, *model.metrics_variables]
    for optimizer in optimizers:
        everything += optimizer.variables
    found: dict[int, tf.Variable] = {}
    for variable in everything:
        value = variable.value
        for part in getattr(value, "values", (value,)):
            found.setdefault(id(part), part)
    return list(found.values())


def _plain_attributes(callback: keras.callbacks.Callback) -> dict[str, Any]:
    return {name: value for name, value in vars(callback).items() if name not in _NOT_STATE and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(each) for each in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    if isinstance(value, np.ndarray | np.generic):
        return not value.dtype.hasobject
    return value is None or isinstance(value, bool | int | float | str)


def _versions() -> dict[str, str]:
    return {"keras": keras.__version__, "tensorflow": tf.__version__}


def _write(file: Path, state: _State) -> None:
    """Writes a zip of one JSON file and the arrays that it names, each with its checksum, in place of what stands there."""
    arrays: list[np.ndarray] = []
    meta = {name: _encode(value, arrays) for name, value in vars(state).items()}
    aside = file.with_name(f"{file.name}.new")
    with aside.open("wb") as target:
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr(_META, json.dumps(meta))
            for number, array in enumerate(arrays):
                with archive.open(f"{number}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        target.flush()
        os.fsync(target.fileno())  # after a power cut, too, there is the old one or the new one
    aside.replace(file)


def _read(file: Path) -> _State:
    """Raises: `_DAMAGED`."""
    with zipfile.ZipFile(file) as archive:
        meta = json.loads(archive.read(_META))

        def array(number: int) -> np.ndarray:
            with archive.open(f"{number}.npy") as member:
                value = np.lib.format.read_array(member, allow_pickle=False)
                member.read()  # to the end, where the checksum is looked at
            return value

        return _State(**{name: _decode(value, array) for name, value in meta.items()})


def _encode(value: Any, arrays: list[np.ndarray]) -> Any:
    """As JSON, which tells neither arrays nor tuples: they are objects of one key, and so are objects themselves."""
    if isinstance(value, np.ndarray | np.generic):
        arrays.append(np.asarray(value))
        return {"scalar" if isinstance(value, np.generic) else "array": len(arrays) - 1}
    if isinstance(value, dict):
        return {"dict": {key: _encode(each, arrays) for key, each in value.items()}}
    if isinstance(value, tuple):
        return {"tuple": [_encode(each, arrays) for each in value]}
    if isinstance(value, list):
        return [_encode(each, arrays) for each in value]
    return value


def _decode(value: Any, array: Callable[[int], np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_decode(each, array) for each in value]
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind in {"array", "scalar"}:
        return array(content) if kind == "array" else array(content)[()]
    if kind == "tuple":
        return tuple(_decode(each, array) for each in content)
    return {key: _decode(each, array) for key, each in content.items()}
