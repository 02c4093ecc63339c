"""`train.workers: N`: starts N workers on this machine, and begins anew where one is killed, or gets on no more.

A group of workers can't take back one that is gone: whoever waits for its gradients gets an error, or waits for ever for one
that is stuck. So all are stopped and started again. They go on after the last epoch of which the chief has made a backup
(`resume`), and end as an undisturbed training does, if it is deterministic.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components import progress
from components.errors import TensorlineError, UserError
from components.train.cluster import VARIABLE, Cluster

if TYPE_CHECKING:
    from tfx.components.trainer.fn_args_utils import FnArgs

MAX_RESTARTS = 3
STOPPING_S = 30.0
"""So long a worker that is asked to stop may take; it is killed then."""
ARGUMENTS = (
    "custom_config",
    "train_files",
    "eval_files",
    "transform_graph_path",
    "schema_path",
    "hyperparameters",
    "working_dir",
    "model_run_dir",
    "serving_model_dir",
)
"""What `run_fn` reads of its arguments."""

_POLL_S = 0.1
_REPORTS_S = 3.0
_SILENT_S = 5.0
"""A worker tells of itself each second; one that has not for so long does not run."""
_logger = logging.getLogger(__name__)


def launch(fn_args: FnArgs, num_workers: int) -> None:
    """Has `num_workers` processes train, and passes on what the chief publishes; it is they who call `run_fn`.

    Their logs lie beside that of this process, as train-worker-0.log and so on.

    Raises: UserError and TensorlineError as the first worker that fails; TensorlineError if workers are killed, or stuck for
        longer than train.progress_timeout_s, more than `MAX_RESTARTS` times; UserError if there are fewer GPUs than workers.
    """
    settings = fn_args.custom_config["train"]
    devices = _devices(num_workers)
    published = _Published()
    log_folder = _log_folder()
    for attempt in range(MAX_RESTARTS + 1):
        workers: list[_Worker] = []
        try:
            addresses = free_addresses(num_workers)
            for index in range(num_workers):
                log = log_folder / f"train-worker-{index}.log"
                workers.append(_Worker.start(Cluster(addresses, index), fn_args, devices[index], log, append=attempt > 0))
            lost = _watch(workers, published, settings["progress_timeout_s"], settings["worker_timeout_s"])
            if lost is not None:
                for worker in workers:  # they wait for the one that is lost, and a backup is whole at any moment
                    worker.process.kill()
        finally:
            _stop(workers)
        if lost is None:
            return
        if attempt == MAX_RESTARTS:
            raise TensorlineError(
                f"{lost.story} That is the {attempt + 1}th time, and the workers are not started again. {lost.advice}"
            )
        progress.tell(
            f"{lost.story} All workers are stopped and started again ({attempt + 1} of at most {MAX_RESTARTS} times)."
        )


def free_addresses(number: int) -> tuple[str, ...]:
    """Addresses on this machine whose ports nobody uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return tuple(f"127.0.0.1:{each.getsockname()[1]}" for each in sockets)


@dataclass
class _Published:
    """Passes on each epoch once: workers that begin anew publish again what they repeat."""

    last: int = 0

    def take(self, metrics: Mapping[str, float], step: int, num_steps: int, *, again: bool) -> None:
        if step > self.last:
            self.last = step
            progress.publish(metrics, step, num_steps, again=again)


@dataclass(frozen=True)
class _Lost:
    """Which worker is gone, as a sentence, and what to do about it if that happens again and again."""

    story: str
    advice: str = "If the system killed it for want of memory, lower train.batch_size or train.workers."


@dataclass
class _Worker:
    """One of the processes.

    Attributes:
        num_beats: How much it has done, as it last told.
        silent_s: For how long it has told nothing, as far as this process watched.
    """

    index: int
    log: Path
    process: subprocess.Popen[str]
    messages: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    num_beats: int = 0
    silent_s: float = 0.0

    @classmethod
    def start(cls, cluster: Cluster, fn_args: FnArgs, devices: str | None, log: Path, *, append: bool) -> _Worker:
        environment = {**os.environ, VARIABLE: cluster.as_tf_config(), "PYTHONPATH": _python_path()}
        if devices is not None:
            environment["CUDA_VISIBLE_DEVICES"] = devices
        with log.open("a" if append else "w", encoding="utf-8") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "components.train.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=environment,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C reaches this process, which stops its workers
            )
        worker = cls(cluster.index, log, process)
        threading.Thread(target=worker._read, daemon=True).start()
        # What comes first are the arguments; the pipe then stays open, and its end tells a worker that this process is gone.
        with contextlib.suppress(BrokenPipeError):  # it has ended already, and its exit code tells
            print(json.dumps({name: getattr(fn_args, name) for name in ARGUMENTS}), file=_input(process), flush=True)
        return worker

    @property
    def name(self) -> str:
        return f"Worker {self.index}{' (the chief)' if self.index == 0 else ''}"

    def _read(self) -> None:
        if self.process.stdout is not None:
            with self.process.stdout as lines:
                for line in lines:
                    self.messages.put(json.loads(line))

    def told(self) -> Iterator[dict[str, Any]]:
        """What it has told since the last call."""
        with contextlib.suppress(queue.Empty):
            while True:
                yield self.messages.get_nowait()


def _python_path() -> str:
    """The code that this process runs comes first, also where the working directory holds none."""
    return os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))


def _input(process: subprocess.Popen[str]) -> Any:
    return process.stdin


def _watch(workers: list[_Worker], published: _Published, timeout_s: float | None, start_s: float) -> _Lost | None:
    """Waits until all have ended; None if they did well, else the one that was lost.

    Args:
        workers: Just started.
        published: Passes on their epochs.
        timeout_s: A worker is lost if none has done anything for so long; None: none is.
        start_s: So much longer the first step may take: they wait for each other, and TensorFlow traces and compiles.

    Raises: as `launch`, if a worker fails for a reason of its own.
    """
    errors: dict[int, dict[str, Any]] = {}
    end = None
    idle_s = 0.0  # by counting, since this process may have been stopped for a while itself
    while True:
        codes = [worker.process.poll() for worker in workers]
        before = [worker.num_beats for worker in workers]
        _listen(workers, published, errors)
        if all(code == 0 for code in codes):
            return None
        if any(codes) and end is None:
            end = time.monotonic() + _REPORTS_S  # the one that fails takes others with it, of which one may be seen first
        if end is not None and (time.monotonic() > end or None not in codes):
            break
        idle_s = idle_s + _POLL_S if before == [worker.num_beats for worker in workers] else 0.0
        begun = all(worker.num_beats > 0 for worker in workers)
        # The chief that exports alone ends no steps, and nobody waits for it; but it must be heard of.
        judged = codes.count(None) > 1 or _silent(workers) is not None
        if end is None and judged and timeout_s is not None and idle_s > timeout_s + (0.0 if begun else start_s):
            return _stuck(workers, timeout_s)
        time.sleep(_POLL_S)
    time.sleep(_POLL_S)
    _listen(workers, published, errors)  # the last words in the pipes
    for index, error in sorted(errors.items()):
        if error["kind"] == "user":  # all of them are told the same
            raise UserError(error["error"])
        if error["kind"] == "failure":
            name, log = workers[index].name, _shown(workers[index].log)
            raise TensorlineError(f"{name} failed: {error['error']}\nThe whole story: {log}")
    return _lost(workers, errors)


def _listen(workers: list[_Worker], published: _Published, errors: dict[int, dict[str, Any]]) -> None:
    """Passes on what workers have told of epochs, and adds what they have told of errors to `errors`, by index."""
    for worker in workers:
        worker.silent_s += _POLL_S
        for message in worker.told():
            worker.silent_s = 0.0
            if "error" in message:
                errors[worker.index] = message
            elif "num_beats" in message:
                worker.num_beats = message["num_beats"]
            else:
                published.take(**message)


def _stuck(workers: list[_Worker], timeout_s: float) -> _Lost:
    """Which worker the others wait for: rather one that does not run at all than the one that has done least."""
    running = [worker for worker in workers if worker.process.poll() is None]
    least = min(worker.num_beats for worker in running)
    behind = [worker for worker in running if worker.num_beats == least]
    if silent := _silent(workers):
        story = _of_silent(silent)
    elif len(behind) == 1:
        story = f"{behind[0].name} is behind the others, which wait for it; its log: {_shown(behind[0].log)}."
    else:
        story = f"None is behind the others; their logs: {', '.join(_shown(worker.log) for worker in workers)}."
    return _Lost(
        f"No worker has ended a step for {timeout_s:g} s (train.progress_timeout_s). {story}",
        "Look into the log for what it waits for. If its steps do take so long, raise train.progress_timeout_s; null waits "
        "for ever.",
    )


def _lost(workers: list[_Worker], errors: Mapping[int, Mapping[str, Any]]) -> _Lost:
    """Which worker is gone, and why: rather one that was killed, or is stopped, than one that suffers from it."""
    ended = [(worker, worker.process.poll()) for worker in workers]
    for worker, code in ended:
        if code is not None and code < 0:
            return _Lost(f"{worker.name} was killed by {signal.Signals(-code).name}; its log: {_shown(worker.log)}.")
    for worker, code in ended:
        if code and worker.index not in errors:
            return _Lost(f"{worker.name} ended with exit code {code} and without a word; its log: {_shown(worker.log)}.")
    if silent := _silent(workers):
        return _Lost(_of_silent(silent), "If something stops it (a debugger, a batch system), let it run.")
    index = min(errors)
    return _Lost(f"{workers[index].name}: {errors[index]['error']}\nIts log: {_shown(workers[index].log)}.")


def _silent(workers: list[_Worker]) -> _Worker | None:
    """The one that has told nothing for the longest, if that is too long: not even its threads run."""
    running = [worker for worker in workers if worker.process.poll() is None and worker.silent_s > _SILENT_S]
    return max(running, key=lambda worker: worker.silent_s, default=None)


def _of_silent(worker: _Worker) -> str:
    return f"{worker.name} is stopped, or hangs: not a word of it for {worker.silent_s:.0f} s; its log: {_shown(worker.log)}."


def _stop(workers: list[_Worker]) -> None:
    """Asks those that still run to stop, and kills those that don't."""
    running = [worker for worker in workers if worker.process.poll() is None]
    for worker in running:
        worker.process.terminate()
    end = time.monotonic() + STOPPING_S
    for worker in running:
        try:
            worker.process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            _logger.warning("worker %d did not stop within %g s, and is killed", worker.index, STOPPING_S)
            worker.process.kill()
            worker.process.wait()
    for worker in workers:
        with contextlib.suppress(OSError):  # of a pipe whose reader is gone
            _input(worker.process).close()


def _devices(num_workers: int) -> list[str | None]:
    """CUDA_VISIBLE_DEVICES of each worker: equal shares of this machine's GPUs; None where there is no GPU."""
    import tensorflow as tf

    number = len(tf.config.list_physical_devices("GPU"))
    if number == 0:
        return [None] * num_workers
    if number < num_workers:
        raise UserError(
            f"train.workers: {num_workers} workers, and this machine has {number} GPUs. Expected at most as many workers; set "
            "the environment variable CUDA_VISIBLE_DEVICES to '' to train on CPUs."
        )
    names = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(number)))).split(",")
    each = number // num_workers
    return [",".join(names[index * each : (index + 1) * each]) for index in range(num_workers)]


def _log_folder() -> Path:
    """Where this process logs to, or a new folder if it logs to no file."""
    files = [handler.baseFilename for handler in logging.getLogger().handlers if isinstance(handler, logging.FileHandler)]
    return Path(files[0]).parent if files else Path(tempfile.mkdtemp(prefix="tensorline-"))


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
