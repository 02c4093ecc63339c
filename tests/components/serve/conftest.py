"""What the tests of the server share: the model that the pipeline penguins trained, and servers of it."""

from __future__ import annotations

import base64
import csv
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
import tensorflow as tf

from components.bridge.job import Job
from components.serve.served import Served
from components.serve.server import Settings, bind, serving, url_of
from components.tracking.registry import Candidate, register_candidate
from components.tracking.store import Store

COLUMNS = ["bill_depth_mm", "bill_length_mm", "body_mass_g", "flipper_length_mm", "island", "sex"]


class Versions:
    """A source of versions that are loaded already."""

    def __init__(self, *served: Served) -> None:
        self.served = {each.version: each for each in served}
        self.champion = served[0].version

    def wanted(self) -> str:
        return self.champion

    def load(self, version: str) -> Served:
        return self.served[version]


@dataclass
class Server:
    """One that runs: a client of it, its keeper and its source."""

    client: httpx.Client
    keeper: Any
    source: Any

    @property
    def port(self) -> int:
        return int(self.client.base_url.port or 0)

    def predict(self, body: Any, path: str = "/v1/models/penguins:predict") -> httpx.Response:
        return self.client.post(path, json=body)

    def metric(self, name: str) -> float:
        """The value of a line of /metrics; 0 before it is there."""
        lines = self.client.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"tensorline_serve_{name} ")), 0.0)


@pytest.fixture(scope="session")
def birds(penguins: Path) -> SimpleNamespace:
    """The job, the model, and rows as JSON has them, with what the model answers to them when it is asked directly."""
    job = Job.load("penguins", penguins)
    with (penguins / "data" / "penguins" / "penguins.csv").open(newline="") as file:
        records = list(csv.DictReader(file))
    rows = [{name: _value(record[name], name) for name in COLUMNS} for record in records]
    model = tf.saved_model.load(str(job.artifact("model") / "Format-Serving"))
    tensors = {}
    for name in COLUMNS:
        values = [row[name] for row in rows]
        if name in ("island", "sex"):
            tensors[name] = tf.constant([[value or ""] for value in values])
        else:
            tensors[name] = tf.constant([[np.nan if value is None else value] for value in values], tf.float32)
    expected = {name: tensor.numpy() for name, tensor in model.signatures["serve_raw"](**tensors).items()}
    return SimpleNamespace(job=job, rows=rows, labels=expected["label"], probabilities=expected["probabilities"])


def _value(text: str, name: str) -> Any:
    if text in ("", "NA"):
        return None
    return text if name in ("island", "sex") else float(text)


@pytest.fixture(scope="session")
def served(birds: SimpleNamespace) -> Served:
    return Served("penguins", "1", birds.job.artifact("model"), birds.job.params.data, birds.job.reviewed_schema)


@pytest.fixture(scope="session")
def running() -> Callable[..., AbstractContextManager[Server]]:
    """Runs a server on a free port: running(source, log_folder, **settings)."""

    @contextmanager
    def run(source: Any, log_folder: Path = Path("none"), *, fixed: bool = False, **settings: Any) -> Iterator[Server]:
        listener = bind("127.0.0.1", 0)
        url = url_of(listener)
        with (
            serving(source, listener, Settings(**{"poll_s": 0.0, **settings}), log_folder, fixed=fixed) as keeper,
            httpx.Client(base_url=url, timeout=30) as client,
        ):
            yield Server(client, keeper, source)

    return run


@pytest.fixture(scope="session")
def server(served: Served, running: Callable[..., AbstractContextManager[Server]]) -> Iterator[Server]:
    """One for all tests that change nothing of it."""
    with running(Versions(served)) as found:
        yield found


@pytest.fixture(scope="session")
def versions_of() -> type[Versions]:
    return Versions


@pytest.fixture
def register(birds: SimpleNamespace, store: Store, tmp_path: Path) -> Callable[..., None]:
    """Registers a copy of the model: register(digest, champion's digest before, promote=…)."""

    def make(digest: str, before: str | None, *, promote: bool) -> None:
        folder = tmp_path / digest / "model"
        shutil.copytree(birds.job.artifact("model"), folder)
        register_candidate(store, Candidate("penguins", "penguins", folder, digest, promote, "why", {}, before, ""))

    return make


@pytest.fixture(scope="session")
def b64() -> Callable[[bytes], dict[str, str]]:
    return lambda content: {"b64": base64.b64encode(content).decode()}
