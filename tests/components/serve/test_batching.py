"""Requests that come together, with signatures made by hand that tell how they were called."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.serve.batching import Batcher
from components.serve.metrics import Metrics
from components.serve.refusal import RefusalError
from components.serve.signatures import RowRefusalError, Signature


class Recorder(Signature):
    """Notes the rows of every call, and may be held up."""

    def __init__(self, function: Any) -> None:
        super().__init__("parse", function)
        self.calls: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def call(self, arrays: Any) -> dict[str, np.ndarray]:
        self.gate.wait(10)
        self.calls.append(len(arrays["x"]))
        return super().call(arrays)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`parse` reads numbers, row by row; `sample` gives as many zeros as are asked for."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="x")])
    def parse(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.strings.to_number(x)}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="count")])
    def sample(count: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"x": tf.zeros([count])}

    folder = str(tmp_path_factory.mktemp("functions"))
    tf.saved_model.save(tf.Module(), folder, signatures={"parse": parse, "sample": sample})
    return tf.saved_model.load(folder)


@pytest.fixture
def signature(loaded: Any) -> Recorder:
    return Recorder(loaded.signatures["parse"])


def rows(*values: str) -> dict[str, np.ndarray]:
    return {"x": np.array([value.encode() for value in values], object)}


async def ask(batcher: Batcher, signature: Signature, *values: str) -> Any:
    try:
        return (await batcher.run(signature, rows(*values), len(values)))["y"].tolist()
    except RefusalError as error:
        return error


def gathered(signature: Recorder, *requests: list[str], most_rows: int = 8, **settings: Any) -> list[Any]:
    async def run() -> list[Any]:
        batcher = Batcher(1, most_rows, settings.get("wait_s", 0.02), settings.get("most_waiting", 100), Metrics())
        found = list(await asyncio.gather(*(ask(batcher, signature, *request) for request in requests)))
        batcher.close()
        return found

    return asyncio.run(run())


def test_they_are_joined_and_each_gets_its_own_rows(signature: Recorder) -> None:
    assert gathered(signature, ["1"], ["2", "3"], ["4"]) == [[1.0], [2.0, 3.0], [4.0]]
    assert signature.calls == [4]


def test_a_batch_has_room_for_so_many_rows(signature: Recorder) -> None:
    requests = [["1", "2", "3"], ["4", "5"], ["6"], [str(number) for number in range(10)]]
    assert gathered(signature, *requests, most_rows=4) == [[float(each) for each in request] for request in requests]
    assert signature.calls == [3, 3, 4, 4, 2]  # a request with more is called in parts


def test_without_waiting_none_is_held_back(signature: Recorder) -> None:
    assert gathered(signature, ["1"], ["2"], wait_s=0.0) == [[1.0], [2.0]]
    assert signature.calls[0] == 1


def test_one_that_the_model_refuses_does_no_harm_to_the_others(signature: Recorder) -> None:
    good, bad, other = gathered(signature, ["1"], ["2", "3", "x", "5"], ["6"])
    assert (good, other) == ([1.0], [6.0])
    assert isinstance(bad, RowRefusalError)
    assert (bad.row, bad.status) == (2, 400)
    assert str(bad).startswith("the model refuses it: ")


def test_too_many_rows_that_wait_are_refused(signature: Recorder) -> None:

    async def run() -> list[Any]:
        metrics = Metrics()
        batcher = Batcher(1, 2, 0.0, 3, metrics)
        signature.gate.clear()
        first = asyncio.create_task(ask(batcher, signature, "1"))
        await asyncio.sleep(0.05)  # it occupies the only thread
        waiting = [asyncio.create_task(ask(batcher, signature, value)) for value in "234"]
        await asyncio.sleep(0)
        refused = await ask(batcher, signature, "5")
        signature.gate.set()
        found = [await each for each in (first, *waiting)]
        batcher.close()
        assert metrics.overloaded._value.get() == 1.0
        return [*found, refused]

    *answered, refused = asyncio.run(run())
    assert answered == [[1.0], [2.0], [3.0], [4.0]]
    assert (refused.status, refused.headers) == (503, {"Retry-After": "1"})
    assert str(refused) == "3 rows wait for the model already. Ask again later"
    assert signature.calls == [1, 2, 1]


def test_a_failure_that_is_no_refusal_reaches_whoever_asked(signature: Recorder) -> None:

    async def run() -> None:
        batcher = Batcher(1, 8, 0.0, 100, Metrics())
        try:
            with pytest.raises(KeyError):
                await batcher.run(signature, {"y": np.zeros(1)}, 1)
            assert await ask(batcher, signature, "1") == [1.0]  # and the next is served
        finally:
            batcher.close()

    asyncio.run(run())


def test_what_goes_by_rows(signature: Recorder, loaded: Any) -> None:
    assert signature.by_rows
    assert not Signature("sample", loaded.signatures["sample"]).by_rows
