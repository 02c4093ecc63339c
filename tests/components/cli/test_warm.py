"""`tensorline warm`, and commands that the warm server runs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components.warm.conftest import Repository, repository  # noqa: F401  a fixture

ROOT = Path(__file__).parents[3]


@pytest.fixture
def clone(repository: Repository) -> Repository:  # noqa: F811
    """A repository that has the command line as well."""
    for room in ("cli", "params"):
        shutil.copytree(ROOT / "components" / room, repository.root / "components" / room)
    (repository.root / "dvc.yaml").write_text("")
    return repository


def tensorline(clone: Repository, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).with_name("tensorline")
    return subprocess.run(
        [sys.executable, script, *arguments],
        cwd=clone.root / "components",
        env={**clone.environment, "PYTHONPATH": str(clone.root), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_status_and_stop(clone: Repository) -> None:
    none = "No warm server for this repository"
    assert tensorline(clone, "warm", "status").stdout == f"{none}. The next stage starts one.\n"
    assert tensorline(clone, "warm", "stop", TENSORLINE_WARM="0").stdout == (
        f"{none}, and none would be started: TENSORLINE_WARM=0.\n"
    )
    server = clone.warm_up()
    first, second, third = tensorline(clone, "warm", "status").stdout.splitlines()
    assert first.startswith(f"process {server}, for ")
    assert " 1 stages so far; idle for " in first
    assert second == "It leaves after 300 s without a stage (warm.idle_s in params.yaml)."
    assert third == f"Its log: {next((clone.runtime / 'tensorline').glob('*.log'))}"
    assert tensorline(clone, "warm", "stop").stdout == "The warm server left.\n"
    clone.has_left(server)


def test_a_command_that_needs_tensorflow_is_run_by_the_server(clone: Repository) -> None:
    (clone.root / "components" / "cli" / "predict.py").write_text(
        "import os, sys, click\n"
        "@click.command()\n"
        "@click.argument('name')\n"
        "def command(name):\n"
        "    print(os.getppid(), os.getcwd(), name)\n"
        "    sys.exit(4)\n"
    )
    clone.environment["PYTHONPATH"] = str(clone.root)  # as of those who start the server
    server = clone.warm_up()
    done = tensorline(clone, "predict", "taxi")
    assert (done.stdout, done.returncode) == (f"{server} {clone.root} taxi\n", 4)
