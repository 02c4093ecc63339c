"""The processes that read images, and a thread for each that talks to it.

Threads would not do: Python's own work on an image takes as long as decoding a small one. Processes are started when a task is
large enough to be worth it, with nothing but NumPy and Pillow in them, and not by `multiprocessing`, which would import again
the program that was started, and with it TensorFlow.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import subprocess
import sys
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from components.errors import TensorlineError
from components.ingest.image_batch import Images, Task, process, read_images, write_task

_CODE = Path(__file__).resolve().parents[2]
_PIPE_BYTES = 1 << 20
_BYTES_HERE = 1 << 20
_About = TypeVar("_About")


class ImagePool:
    """Does tasks in several processes, but the first few images in this one.

    Args:
        num_workers: Processes; None for one a core.
        num_here: Images that are read in this process before others are started, which takes longer than reading these.
    """

    def __init__(self, num_workers: int | None = None, num_here: int = 500) -> None:
        self.num_workers = num_workers or len(os.sched_getaffinity(0))
        self._num_left = num_here
        self._bytes_left = _BYTES_HERE if num_here else 0
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        self._finalizer = weakref.finalize(self, _stop, self._processes)

    def submit(self, task: Task) -> Future[Images]:
        """Begins a task; returns its result to be, or the error: TensorlineError if a process ended."""
        self._num_left -= task.num_images
        self._bytes_left -= task.size_bytes
        if self._threads is None and self._num_left >= 0 and self._bytes_left >= 0:
            future: Future[Images] = Future()
            future.set_result(process(task))
            return future
        if self._threads is None:
            self._start()
        assert self._threads is not None  # noqa: S101  for the type checker
        return self._threads.submit(self._work, task)

    def in_order(self, work: Iterable[tuple[_About, Sequence[Task]]]) -> Iterator[tuple[_About, list[Images]]]:
        """What each item is about, and the results of its tasks, in order, while a few more items are under way."""
        pending: deque[tuple[_About, list[Future[Images]]]] = deque()
        for about, tasks in work:
            pending.append((about, [self.submit(task) for task in tasks]))
            if len(pending) > self.num_workers + 1:
                done, futures = pending.popleft()
                yield done, [future.result() for future in futures]
        while pending:
            done, futures = pending.popleft()
            yield done, [future.result() for future in futures]

    def close(self) -> None:
        """Ends the processes; a later task may start new ones."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
            self._threads = None
        _stop(self._processes)
        self._processes.clear()
        self._idle = queue.SimpleQueue()

    def _start(self) -> None:
        self._threads = ThreadPoolExecutor(self.num_workers)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(_CODE), os.environ.get("PYTHONPATH")]))}
        for _ in range(self.num_workers):
            worker = subprocess.Popen(
                [sys.executable, "-m", "components.ingest.image_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
            )
            self._processes.append(worker)
            for pipe in (worker.stdin, worker.stdout):
                with contextlib.suppress(AttributeError, OSError):  # only Linux knows larger pipes, and users may have a limit
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[arg-type]
            self._idle.put(worker)

    def _work(self, task: Task) -> Images:
        worker = self._idle.get()
        try:
            assert worker.stdin is not None  # noqa: S101  for the type checker
            assert worker.stdout is not None  # noqa: S101
            try:
                write_task(worker.stdin, task)
                images = read_images(worker.stdout)
            except BrokenPipeError:
                images = None
            if images is None:
                raise TensorlineError(_ended(worker.wait(), task))
            return images
        finally:
            self._idle.put(worker)


def _ended(code: int, task: Task) -> str:
    where = task.archive or (task.paths[0] if task.paths else "an array")
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    why = "Is there too little memory? Lower max_pixels of data.images." if code == -9 else "Its own message stands above."
    return f"ingest: a process that decodes images ended {how}, at {where} or one of those that follow it. {why}"


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for worker in processes:
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
    for worker in processes:
        try:
            worker.wait(timeout=5)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
