"""`tensorline train` and its options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.cli import main
from components.cli.train import cluster_of
from components.errors import UserError
from tests.conftest import copy_repository, working_in


def test_workers_have_addresses_on_this_machine_unless_they_are_given() -> None:
    assert json.loads(cluster_of("1/2", None)) == {
        "cluster": {"worker": ["127.0.0.1:23456", "127.0.0.1:23457"]},
        "task": {"type": "worker", "index": 1},
    }
    assert json.loads(cluster_of("0/2", "a:1, b:2"))["cluster"] == {"worker": ["a:1", "b:2"]}


@pytest.mark.parametrize(
    ("worker", "addresses", "message"),
    [
        ("2/2", None, "--worker: expected I/N with I from 0 to N - 1, as 0/2 and 1/2, got '2/2'."),
        ("1", None, "--worker: expected I/N with I from 0 to N - 1, as 0/2 and 1/2, got '1'."),
        ("0/2", "a:1", "--address: expected 2 different addresses, one a worker, got a:1."),
        ("0/2", "a:1,a:1", "--address: expected 2 different addresses, one a worker, got a:1, a:1."),
        ("0/2", "a:1,b", "--address: expected host:port, got 'b'."),
    ],
)
def test_options_that_make_no_sense_are_told(worker: str, addresses: str | None, message: str) -> None:
    with pytest.raises(UserError) as raised:
        cluster_of(worker, addresses)
    assert str(raised.value) == message


def test_other_strategies_have_no_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with working_in(copy_repository(tmp_path, data=False)):
        assert main(["train", "penguins", "--worker", "0/2"]) == 2
        assert main(["train", "penguins", "--address", "a:1"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "tensorline: --worker 0/2: train.strategy of penguins is default, which trains in one process. Set it to "
        "multi_worker, or leave the option out.",
        "tensorline: --address: which of the workers is this one? Give --worker I/N as well.",
    ]
