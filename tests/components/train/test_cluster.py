"""TF_CONFIG as operators set it, and all that may be wrong with it."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from components.errors import TensorlineError, UserError
from components.train.cluster import VARIABLE, Cluster, from_environment, index_of_follower
from components.train.launcher import free_addresses

EXPECTED = (
    ' Expected {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}; mend the environment '
    "variable TF_CONFIG, or unset it."
)
CLUSTER = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}


def given(monkeypatch: pytest.MonkeyPatch, cluster: Any, task: Any) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps({"cluster": cluster, "task": task, "environment": "cloud"}))


@pytest.mark.parametrize(
    ("cluster", "task", "expected"),
    [
        (CLUSTER, {"type": "chief", "index": 0}, Cluster(("a:1", "b:1", "c:1"), 0)),
        (CLUSTER, {"type": "worker", "index": 1}, Cluster(("a:1", "b:1", "c:1"), 2)),
        (
            {"worker": ["b.ns.svc:2222", "c.ns.svc:2222"]},
            {"type": "worker", "index": "1"},
            Cluster(("b.ns.svc:2222", "c.ns.svc:2222"), 1),
        ),
    ],
)
def test_the_chief_comes_first(monkeypatch: pytest.MonkeyPatch, cluster: Any, task: Any, expected: Cluster) -> None:
    given(monkeypatch, cluster, task)
    assert from_environment() == expected
    assert index_of_follower() == (expected.index or None)
    monkeypatch.setenv(VARIABLE, expected.as_tf_config())
    assert from_environment() == expected


def test_without_tf_config_there_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("", " "):
        monkeypatch.setenv(VARIABLE, text)
        assert from_environment() is None
    monkeypatch.delenv(VARIABLE)
    assert from_environment() is None
    assert index_of_follower() is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{worker", "not JSON (Expecting property name enclosed in double quotes: line 1 column 2 (char 1))."),
        ("[1]", "a JSON object is needed, got [1]."),
        ('{"task": {}}', "cluster: missing, or no object."),
        ('{"cluster": {"worker": ["a:1"]}}', "task: missing, or no object."),
    ],
)
def test_what_is_no_tf_config_is_told(monkeypatch: pytest.MonkeyPatch, text: str, problem: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    assert index_of_follower() is None
    with pytest.raises(UserError) as raised:
        from_environment()
    assert str(raised.value) == f"TF_CONFIG: {problem}{EXPECTED}"


@pytest.mark.parametrize(
    ("cluster", "task", "problem"),
    [
        ({}, {"type": "worker", "index": 0}, "cluster: no worker."),
        ({**CLUSTER, "ps": ["d:1"]}, {"type": "ps", "index": 0}, "cluster.ps: multi_worker has a chief and workers only."),
        ({"worker": "a:1"}, {"type": "worker", "index": 0}, 'cluster.worker: expected a list of host:port, got "a:1".'),
        ({"worker": ["a"]}, {"type": "worker", "index": 0}, "cluster.worker: expected host:port, got 'a'."),
        ({"worker": ["a:99999"]}, {"type": "worker", "index": 0}, "cluster.worker: expected host:port, got 'a:99999'."),
        ({"chief": ["a:1", "b:1"]}, {"type": "chief", "index": 0}, "cluster.chief: expected one address, got 2."),
        ({"worker": ["a:1", "a:1"]}, {"type": "worker", "index": 0}, "cluster: a:1 is there twice."),
        (CLUSTER, {"index": 0}, "task.type: expected chief or worker, which the cluster has, got null."),
        (CLUSTER, {"type": "worker"}, "task.index: the cluster has worker 0 to 1, got null."),
        (CLUSTER, {"type": "worker", "index": 2}, "task.index: the cluster has worker 0 to 1, got 2."),
        (CLUSTER, {"type": "worker", "index": -1}, "task.index: the cluster has worker 0 to 1, got -1."),
    ],
)
def test_what_makes_no_sense_is_told(monkeypatch: pytest.MonkeyPatch, cluster: Any, task: Any, problem: str) -> None:
    given(monkeypatch, cluster, task)
    with pytest.raises(UserError) as raised:
        from_environment()
    assert str(raised.value) == f"TF_CONFIG: {problem}{EXPECTED}"


def test_a_worker_that_does_not_come_is_named() -> None:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        there.listen()
        cluster = Cluster((f"127.0.0.1:{there.getsockname()[1]}", *free_addresses(1)), 0)
        cluster.wait_for([0], 0.5)
        with pytest.raises(TensorlineError) as raised:
            cluster.wait_for([0, 1], 0.5)
    assert str(raised.value) == (
        f"Worker 1 at {cluster.addresses[1]} can't be reached from worker 0 within 0.5 s (train.worker_timeout_s): Connection "
        "refused. Start all 2 workers, with the same addresses, and let them reach each other's ports."
    )
    assert raised.value.exit_code == 1
