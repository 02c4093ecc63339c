"""`tensorline serve` as a process of its own, asked as docs/serve.md shows."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from components.cli import serve
from components.errors import UserError
from components.serve.server import is_loopback
from components.tracking.store import Store
from tests.conftest import ROOT, working_in

DOCS = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"<!-- tested: ask -->\n```bash\n(.*?)```\n```json\n(.*?)```", DOCS, re.DOTALL)


@pytest.fixture
def run(penguins: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)

    def invoke(*options: str) -> Any:
        with working_in(penguins):
            return CliRunner().invoke(serve.command, ["penguins", *options])

    return invoke


def test_a_port_in_use(run: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        error = run("--port", str(port)).exception
    assert isinstance(error, UserError)
    assert error.exit_code == 2
    assert str(error) == f"--port {port}: another program listens on 127.0.0.1:{port}. Choose another: --port N."


def test_an_address_that_is_not_this_machines(run: Callable[..., Any]) -> None:
    assert str(run("--host", "192.0.2.1").exception) == (
        "--host 192.0.2.1 --port 8501: Cannot assign requested address. Expected an address of this machine."
    )


def test_no_champion_and_a_warning_before_others_may_ask(run: Callable[..., Any], store: Store) -> None:
    done = run("--host", "0.0.0.0", "--port", "0")  # noqa: S104  that is what is warned of
    assert done.output == (
        "tensorline: --host 0.0.0.0: whoever reaches this address can ask the model. There is no password and no encryption: "
        "put a proxy in front that has both.\n"
    )
    assert str(done.exception) == (
        f"model 'penguins' has no champion in {store.shown}. Expected one: dvc repro register@penguins; or name a version: "
        "--version N."
    )


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],  # noqa: S104
)
def test_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.fixture
def started(
    birds: SimpleNamespace, penguins: Path, store: Store, register: Callable[..., None]
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process, and the port on which it listens."""
    register("d1", None, promote=True)
    code = "import sys; from components.cli import main; sys.exit(main())"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store.uri, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "penguins", "--port", "0"],
        cwd=penguins,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    found = re.fullmatch(r"penguins, version 1: http://127\.0\.0\.1:(\d+)/v1/models/penguins:predict\n", first)
    try:
        assert found, first
        yield process, int(found[1])
    finally:
        process.kill()
        process.wait()


def alike(found: Any, expected: Any) -> bool:
    """Whether JSON is the same but for digits: another processor may round otherwise."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(alike(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(alike, found, expected))
    return found == (pytest.approx(expected, abs=0.05) if isinstance(expected, float) else expected)


@pytest.mark.slow  # starts a server
def test_the_page_s_examples_and_a_graceful_end(started: tuple[subprocess.Popen[str], int]) -> None:
    process, port = started
    assert len(EXAMPLES) == 4
    for command, answer in EXAMPLES:
        line = command.replace("localhost:8501", f"127.0.0.1:{port}")
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
        assert alike(json.loads(done.stdout), json.loads(answer)), done.stdout
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert process.stdout is not None
    assert process.stdout.read().splitlines() == [
        f"what may be asked: http://127.0.0.1:{port}/docs; Ctrl-C ends it",
        "stopped",
    ]


def test_the_page_tells_every_option_that_it_names() -> None:
    options = {name for option in serve.command.params for name in option.opts if name.startswith("--")}
    named = set(re.findall(r"`(--[a-z-]+)", DOCS))
    assert named <= options
    assert {"--host", "--poll", "--batch-wait", "--log-sample", "--on-anomaly", "--rate", "--max-body"} <= named
