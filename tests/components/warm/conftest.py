"""A small repository whose warm server imports next to nothing, and whose one stage does what a test wants."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
STAGE = """
import sys
from components.warm.client import begin

def main(how):
    {body}

if __name__ == "__main__":
    code, how = begin("probe")
    sys.exit((main(how) or 0) if code is None else code)
"""


@dataclass
class Repository:
    """A repository and the folder in which its server listens."""

    root: Path
    runtime: Path
    environment: dict[str, str] = field(default_factory=dict)

    def stage(self, body: str) -> None:
        """Writes the stage: the body of `main(how)`."""
        (self.root / "components" / "probe" / "__main__.py").write_text(
            STAGE.format(body=body.strip().replace("\n", "\n    "))
        )

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Starts the stage's process."""
        environment = {**self.environment, **options.pop("env", {})}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        options = {"cwd": self.root, "preexec_fn": heed_interrupts, **pipes, **options}
        return subprocess.Popen([sys.executable, "-m", "components.probe", *arguments], env=environment, **options)

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs the stage."""
        given = options.pop("input", None)
        with self.start(*arguments, **options) as process:
            out, err = process.communicate(given, timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def warm_up(self) -> int:
        """Starts the server, unless there is one, and waits until it listens; its process id."""
        before = (self.root / "components" / "probe" / "__main__.py").read_text()
        self.stage("print(how)")
        end = time.monotonic() + 60
        while not (how := (done := self.run()).stdout).startswith("warm"):
            assert time.monotonic() < end, f"{how}{self.log()}"
            assert done.returncode == 0, f"{done.stderr}{self.log()}"
            time.sleep(0.1)
        (self.root / "components" / "probe" / "__main__.py").write_text(before)
        return int(how.rsplit(maxsplit=1)[1])

    def ask(self, what: str) -> Any:
        """What `tensorline warm` asks the server."""
        code = (
            "import json, os; from components.warm import client, wire; from components.warm.place import Place;"
            f"c = client.connect(Place(os.getcwd())); c and wire.send(c, {{'what': {what!r}}});"
            "print(json.dumps(c and wire.receive(c)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=self.root, env=self.environment, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    def log(self) -> str:
        """The server's."""
        return "".join(path.read_text() for path in sorted(self.runtime.glob("tensorline/*.log")))

    def has_left(self, pid: int) -> None:
        """Waits until the server has ended."""
        end = time.monotonic() + 20
        while is_alive(pid):
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)


def heed_interrupts() -> None:
    """In a process to be: tests that a shell started in the background ignore Ctrl-C, and would hand that on."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_until(true: Any, what: str) -> None:
    """Waits until `true()`."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    root = tmp_path / "Übungs ordner"
    runtime = Path(tempfile.mkdtemp(prefix="warm-"))  # a short path: that of a socket has at most 107 bytes
    (root / "components" / "probe").mkdir(parents=True)
    for name in ("__init__.py", "environment.py", "errors.py"):
        shutil.copy(ROOT / "components" / name, root / "components" / name)
    shutil.copytree(ROOT / "components" / "warm", root / "components" / "warm", ignore=shutil.ignore_patterns("__pycache__"))
    libraries = root / "components" / "warm" / "libraries.py"
    code, count = re.subn(r"(?s)\n(WITH_THREADS|LIGHT|LIBRARIES) = \(.*?\)\n", r'\n\1 = ("decimal",)\n', libraries.read_text())
    assert count == 3
    libraries.write_text(code)
    (root / "components" / "probe" / "__init__.py").write_text("")
    (root / "params.yaml").write_text("warm: {idle_s: 300}\n")
    kept = {name: value for name, value in os.environ.items() if name not in {"CI", "TENSORLINE_WARM", "PYTHONPATH"}}
    # Tests change a file twice within a second, and to the same size: to Python compiled code is then up to date that is not.
    made = Repository(root, runtime, {**kept, "XDG_RUNTIME_DIR": str(runtime), "PYTHONDONTWRITEBYTECODE": "1"})
    made.stage("print(how)")
    yield made
    with contextlib.suppress(subprocess.CalledProcessError, OSError):
        status = made.ask("status")
        if status is not None:
            os.kill(status["pid"], signal.SIGKILL)
    shutil.rmtree(runtime)
