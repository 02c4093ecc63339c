"""The champion moves while the server runs."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
import tensorflow as tf
import ydf

from components.errors import UserError
from components.params.models import DataParams
from components.serve.keeper import Keeper
from components.serve.metrics import Metrics
from components.serve.served import Served
from components.serve.source import Registry
from components.tracking.moves import move_champion
from components.tracking.store import Store
from recipes.forest.growing import PREFIX
from recipes.forest.layer import ForestLayer


@pytest.fixture
def second(birds: SimpleNamespace) -> Served:
    return Served("penguins", "2", birds.job.artifact("model"), birds.job.params.data, birds.job.reviewed_schema)


def status(version: str, state: str = "AVAILABLE", code: str = "OK", message: str = "") -> dict[str, Any]:
    return {"version": version, "state": state, "status": {"error_code": code, "error_message": message}}


def test_it_follows_the_champion(served: Served, second: Served, versions_of: Any) -> None:
    source = versions_of(served, second)
    metrics = Metrics()
    keeper = Keeper(source, served, 5.0, metrics)
    assert not keeper.check()
    source.champion = "2"
    seen = []
    load = source.load
    source.load = lambda version: seen.append(keeper.status()) or load(version)
    assert keeper.check()
    assert keeper.current is second
    assert seen == [[status("2", "LOADING"), status("1")]]
    assert keeper.status() == [status("2")]
    text = metrics.text().decode()
    assert 'model_version{model="penguins",version="1"} 0.0\n' in text
    assert 'model_version{model="penguins",version="2"} 1.0\n' in text


def test_one_that_can_not_be_loaded_changes_nothing(
    served: Served, second: Served, versions_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source = versions_of(served, second)
    keeper = Keeper(source, served, 5.0, Metrics(), retry_s=0.2)
    source.champion = "2"
    loads: list[str] = []

    def fail(version: str) -> Served:
        loads.append(version)
        raise UserError("its files are gone")

    load, source.load = source.load, fail
    with caplog.at_level(logging.ERROR):
        assert [keeper.check(), keeper.check()] == [False, False]
        time.sleep(0.25)
        assert not keeper.check()
    assert loads == ["2", "2"]  # not at once again
    assert [record.message for record in caplog.records] == [
        "version 2 can not be loaded: its files are gone. Version 1 goes on."
    ]
    assert keeper.current is served
    assert keeper.status() == [
        status("2", "END", "UNKNOWN", "it could not be loaded; the server's log says why"),
        status("1"),
    ]
    source.load = load
    time.sleep(0.25)
    assert keeper.check()
    assert keeper.status() == [status("2")]


def test_a_registry_that_does_not_answer_changes_nothing(
    served: Served, versions_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source = versions_of(served)
    keeper = Keeper(source, served, 5.0, Metrics())

    def fail() -> str:
        raise UserError("no connection")

    wanted, source.wanted = source.wanted, fail
    assert [keeper.check(), keeper.check()] == [False, False]
    source.wanted = wanted
    assert not keeper.check()
    assert [record.message for record in caplog.records] == ["the registry can not be read: no connection. Version 1 goes on."]
    assert keeper.status() == [status("1")]


def forest(folder: Path, slope: float) -> Path:
    """A model artifact: a forest that learned y = slope · x, behind both signatures."""
    x = np.linspace(0.0, 1.0, 200, dtype=np.float32)
    grown = ydf.GradientBoostedTreesLearner(label="y", task=ydf.Task.REGRESSION, num_trees=20).train(
        {"x": x, "y": slope * x}, verbose=0
    )
    grown.save(str(folder / "grown"), advanced_options=ydf.ModelIOOptions(file_prefix=PREFIX))
    layer = ForestLayer(columns={"x": "x"}, classes=[], settings={})
    layer.plant(folder / "grown")
    module = tf.Module()
    module.layer = layer
    module.loaded = layer.loaded

    @tf.function(input_signature=[{"x": tf.TensorSpec([None, 1], tf.float32, name="x")}])
    def serve_raw(columns: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"prediction": layer.call(columns)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})
        return {"prediction": layer.call(parsed)}

    module.serve_raw, module.serve_examples = serve_raw, serve_examples
    signatures = {"serve_raw": serve_raw, "serving_default": serve_examples}
    tf.saved_model.save(module, str(folder / "Format-Serving"), signatures=signatures)
    description = {
        "kind": "regression",
        "key_metric": "mae",
        "class_names": [],
        "label": "y",
        "digest": "d",
        "inputs": {"x": "number"},
        "libraries": ["ydf_tf"],
    }
    (folder / "model.json").write_text(json.dumps(description))
    return folder


def test_a_new_forest_answers_for_itself(tmp_path: Path, running: Any, versions_of: Any) -> None:
    """YDF's operation keeps the forest that it met first in a process, if it is called eagerly."""
    data = DataParams.model_validate({"path": "x.csv", "label": "y"})
    first, second = (
        Served("line", str(number), forest(tmp_path / str(number), slope), data, None)
        for number, slope in ((1, 10.0), (2, -10.0))
    )
    with running(versions_of(first, second)) as server:

        def ask() -> list[float]:
            return np.ravel(
                server.predict({"inputs": {"x": [0.0, 1.0]}}, "/v1/models/line:predict").json()["outputs"]
            ).tolist()

        before = ask()
        server.source.champion = "2"
        assert server.keeper.check()
        after = ask()
        server.source.champion = "1"
        assert server.keeper.check()
        assert ask() == before
    assert before[0] < 3.0
    assert before[1] > 7.0
    assert after[0] > -3.0
    assert after[1] < -7.0


def test_the_registry_of_a_pipeline(
    birds: SimpleNamespace, store: Store, register: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Registry(birds.job, store, None, 4)
    with pytest.raises(UserError) as raised:
        source.wanted()
    assert str(raised.value) == (
        f"model 'penguins' has no champion in {store.shown}. Expected one: dvc repro register@penguins; or name a version: "
        "--version N."
    )
    register("d1", None, promote=True)
    register("d2", "d1", promote=False)
    assert source.wanted() == "1"
    assert source.load("2").version == "2"
    assert Registry(birds.job, store, "2", 4).wanted() == "2"
    with pytest.raises(UserError) as raised:
        source.load("3")
    assert str(raised.value) == f"model 'penguins': version 3 does not exist in {store.shown}. Expected one of: 1, 2."


@pytest.mark.slow  # loads a model while others are served
def test_no_request_is_lost_while_the_champion_moves(
    birds: SimpleNamespace, store: Store, register: Callable[..., None], running: Any
) -> None:
    register("d1", None, promote=True)
    register("d2", "d1", promote=False)
    wrong: list[str] = []
    answered = {"1": 0, "2": 0}
    is_over = threading.Event()

    with running(Registry(birds.job, store, None, 64), poll_s=0.1) as server:
        url = str(server.client.base_url)

        def ask(number: int) -> None:
            with httpx.Client(base_url=url, timeout=30) as client:
                while not is_over.is_set():
                    number = (number + 7) % len(birds.rows)
                    version = client.get("/health").json()["version"]
                    response = client.post("/v1/models/penguins:predict", json={"instances": [birds.rows[number]]})
                    if response.status_code != 200:
                        wrong.append(response.text)
                    elif response.json()["predictions"][0]["label"] != birds.labels[number].decode():
                        wrong.append(f"row {number}: {response.text}")
                    answered[version] += 1

        clients = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for client in clients:
            client.start()
        time.sleep(0.5)
        move_champion(store, "penguins", "promote", "2", "better")
        deadline = time.monotonic() + 60
        while answered["2"] < 50 and time.monotonic() < deadline:
            time.sleep(0.05)
        is_over.set()
        for client in clients:
            client.join()
        assert server.metric("reloads_total") == 1.0
    assert wrong == []
    assert answered["1"] > 0
    assert answered["2"] >= 50
