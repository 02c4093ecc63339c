"""One of several workers on this machine: `python -m components.train.worker`, as `components.train.launcher` starts it.

The first line of standard input holds the arguments of `run_fn`; its end means that the launcher is gone. To standard output
go lines of JSON: the chief's epochs, each second how much was done (`heartbeat`), and the error with which a worker ends.
Everything else goes to standard error, its log.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from types import FrameType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from components import progress
from components.environment import prepare
from components.errors import TensorlineError, UserError
from components.train import heartbeat

if TYPE_CHECKING:
    from typing import TextIO

_sending = threading.Lock()
"""Lines come from two threads, and must not mix."""


def main() -> int:
    """Trains; returns the exit code: 0 done, 1 failure, 2 the user's mistake."""
    prepare()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print
    signal.signal(signal.SIGTERM, _leave)
    fn_args = SimpleNamespace(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_the_launcher, daemon=True).start()
    heartbeat.keep_telling(lambda num_beats: _send(messages, {"num_beats": num_beats}))

    def send_epoch(again: bool, metrics: Mapping[str, float], step: int, num_steps: int) -> None:
        _send(messages, {"metrics": dict(metrics), "step": step, "num_steps": num_steps, "again": again})

    try:
        from components.train.run_fn import run_fn

        publish, publish_again = (functools.partial(send_epoch, again) for again in (False, True))
        with progress.listening(publish), progress.listening(publish_again, again=True):
            run_fn(fn_args)
    except Exception as error:  # noqa: BLE001  whatever it is, the launcher tells it
        traceback.print_exc()
        kind = kind_of(error)
        _send(messages, {"error": str(error) if kind == "user" else describe(error), "kind": kind})
        return 2 if kind == "user" else 1
    return 0


def kind_of(error: Exception) -> str:
    """`user`: the user's mistake; `peer`: another worker is gone; `failure`: anything else."""
    from components.bridge.recipe import is_recipe_error
    from components.train.peers import LostWorkerError

    if isinstance(error, UserError) or is_recipe_error(error):
        return "user"
    return "peer" if isinstance(error, LostWorkerError) else "failure"


def describe(error: Exception) -> str:
    """`error` in a few words."""
    return str(error) if isinstance(error, TensorlineError) else f"{type(error).__name__}: {error}".strip().splitlines()[0]


def _send(messages: TextIO, message: Mapping[str, Any]) -> None:
    with _sending, contextlib.suppress(BrokenPipeError):  # the launcher is gone, and so will this process be
        print(json.dumps(message), file=messages, flush=True)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _end_with_the_launcher() -> None:
    while sys.stdin.readline():
        pass
    os._exit(1)


if __name__ == "__main__":
    exit_code = main()
    sys.stderr.flush()
    # At once: TensorFlow would first wait for workers that are gone.
    os._exit(exit_code)
