"""Joins the rows of requests that come at the same time into one call of the model, as TensorFlow Serving's batching does.

A batch waits a moment for company, and for as long as all of the model's threads are busy; so under load batches grow by
themselves.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from components.serve.metrics import Metrics
from components.serve.refusal import busy
from components.serve.signatures import Signature

_logger = logging.getLogger(__name__)
Arrays = Mapping[str, np.ndarray]


@dataclass
class _Item:
    arrays: Arrays
    num_rows: int
    answer: asyncio.Future[dict[str, np.ndarray]]


@dataclass
class _Lane:
    """What waits for one signature of one model."""

    items: deque[_Item] = field(default_factory=deque)
    num_rows: int = 0
    timer: asyncio.TimerHandle | None = None
    is_due: bool = False


class Batcher:
    """Belongs to one event loop; only `run` is for others.

    Args:
        num_threads: That call models.
        most_rows: Of a batch; a request with more is called in parts.
        wait_s: How long the first of a batch waits for others at most, while a thread is free.
        most_waiting: Rows that may wait for a thread; beyond them requests are refused.
        metrics: Told of every batch.
    """

    def __init__(self, num_threads: int, most_rows: int, wait_s: float, most_waiting: int, metrics: Metrics) -> None:
        self._pool = ThreadPoolExecutor(num_threads, "model")
        self._num_free = num_threads
        self._most_rows, self._wait_s, self._most_waiting = most_rows, wait_s, most_waiting
        self._metrics = metrics
        self._lanes: dict[Signature, _Lane] = {}
        self._num_waiting = 0

    async def run(self, signature: Signature, arrays: Arrays, num_rows: int) -> dict[str, np.ndarray]:
        """What the signature answers to these rows.

        Raises: RefusalError if the model refuses them, or too many rows wait already.
        """
        # One request always finds room, however many rows it has.
        if self._num_waiting and self._num_waiting + num_rows > self._most_waiting:
            self._metrics.overloaded.inc()
            raise busy(f"{self._num_waiting:,} rows wait for the model already. Ask again later")
        loop = asyncio.get_running_loop()
        lane = self._lanes.setdefault(signature, _Lane())
        item = _Item(arrays, num_rows, loop.create_future())
        lane.items.append(item)
        lane.num_rows += num_rows
        self._num_waiting += num_rows
        if lane.num_rows >= self._most_rows or not signature.by_rows or not self._wait_s:
            self._make_due(lane)
        elif lane.timer is None and not lane.is_due:
            lane.timer = loop.call_later(self._wait_s, self._make_due, lane)
        return await item.answer

    def close(self) -> None:
        """Ends the threads, once what they do is done."""
        self._pool.shutdown()

    def _make_due(self, lane: _Lane) -> None:
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        lane.is_due = True
        self._dispatch()

    def _dispatch(self) -> None:
        for signature, lane in list(self._lanes.items()):
            while self._num_free and lane.is_due:
                self._num_free -= 1
                batch = self._take(signature, lane)
                work = asyncio.get_running_loop().run_in_executor(self._pool, self._call, signature, batch)
                work.add_done_callback(self._ended)

    def _take(self, signature: Signature, lane: _Lane) -> list[_Item]:
        batch = [lane.items.popleft()]
        num_rows = batch[0].num_rows
        while signature.by_rows and lane.items and num_rows + lane.items[0].num_rows <= self._most_rows:
            batch.append(lane.items.popleft())
            num_rows += batch[-1].num_rows
        lane.num_rows -= num_rows
        self._num_waiting -= num_rows
        if not lane.items:
            del self._lanes[signature]  # a model that is no longer served is not kept here either
            lane.is_due = False
        self._metrics.batch_rows.observe(num_rows)
        return batch

    def _call(self, signature: Signature, batch: Sequence[_Item]) -> list[tuple[_Item, dict[str, np.ndarray] | Exception]]:
        """In a thread of the pool: what each request is answered."""
        if len(batch) > 1:
            try:
                return self._call_joined(signature, batch)
            except Exception:  # noqa: BLE001
                _logger.debug("a joined call failed; each request is called alone, so that it fails by itself")
        answers: list[tuple[_Item, dict[str, np.ndarray] | Exception]] = []
        for item in batch:
            try:
                if signature.by_rows:
                    answers.append((item, signature.call_rows(item.arrays, item.num_rows, self._most_rows)))
                else:
                    answers.append((item, signature.call(item.arrays)))
            except Exception as error:  # noqa: BLE001  it is the answer of this request alone
                answers.append((item, error))
        return answers

    @staticmethod
    def _call_joined(signature: Signature, batch: Sequence[_Item]) -> list[tuple[_Item, dict[str, np.ndarray] | Exception]]:
        outputs = signature.call({name: np.concatenate([item.arrays[name] for item in batch]) for name in signature.inputs})
        ends = np.cumsum([item.num_rows for item in batch])
        return [
            (item, {name: values[end - item.num_rows : end] for name, values in outputs.items()})
            for item, end in zip(batch, ends, strict=True)
        ]

    def _ended(self, work: asyncio.Future[list[tuple[_Item, dict[str, np.ndarray] | Exception]]]) -> None:
        self._num_free += 1
        for item, answer in work.result():
            if item.answer.done():  # nobody waits for it any more
                continue
            if isinstance(answer, Exception):
                item.answer.set_exception(answer)
            else:
                item.answer.set_result(answer)
        self._dispatch()
