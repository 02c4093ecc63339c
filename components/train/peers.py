"""What workers that train together owe each other: the same inputs, and a word when one is gone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from components.errors import TensorlineError, UserError


class LostWorkerError(TensorlineError):
    """Another worker is gone, so that nobody can train on."""


def require_same(strategy: tf.distribute.Strategy, inputs: Mapping[str, Any]) -> None:
    """Compares what each worker and the chief were given; workers that differ would wait for each other for ever.

    Args:
        strategy: With one worker there is nothing to compare.
        inputs: What it is called → JSON types.

    Raises: UserError, on every worker.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return
    digests = [hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()[:8] for value in inputs.values()]
    own = np.frombuffer(b"".join(digests), np.int64).reshape(1, -1)
    of_replicas = strategy.gather(strategy.run(lambda: tf.constant(own)), axis=0).numpy()
    num_local = strategy.num_replicas_in_sync // len(strategy.cluster_resolver.cluster_spec().as_dict()["worker"])
    different = np.argwhere(of_replicas != of_replicas[0])
    if len(different):
        replica, column = different[0]
        raise UserError(
            f"train.strategy: worker {replica // num_local} was given other {list(inputs)[column]} than the chief, worker 0. "
            "Expected the same on all: run them on the same commit, with the same artifacts and parameters."
        )


@contextmanager
def noticing_lost_workers() -> Iterator[None]:
    """The block in which workers train. Raises: LostWorkerError in place of what TensorFlow says of it."""
    try:
        yield
    except tf.errors.OpError as error:
        unreachable = isinstance(error, tf.errors.UnavailableError | tf.errors.AbortedError | tf.errors.DeadlineExceededError)
        if not unreachable and "Collective ops is aborted" not in str(error):
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        first = next((index for index, line in enumerate(lines) if "aborted" in line), 0)
        raise LostWorkerError(
            "Another worker is gone, or can't be reached any more, so that this one can't train on. Look at the others' logs, "
            f"and start all workers again. TensorFlow says: {' '.join(lines[first : first + 2])}"
        ) from error
