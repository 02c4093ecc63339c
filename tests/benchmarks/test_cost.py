"""What commands cost: time, processors, memory of all processes, and phases."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks.cost import measure

_TAKE = "import time; taken = bytearray(b'x') * {size}; time.sleep({seconds})"
MIB = 2**20


def python(code: str) -> list[str]:
    """The command that runs it."""
    return [sys.executable, "-c", code]


def test_memory_of_children_counts_and_shared_pages_once(tmp_path: Path) -> None:
    fork = f"import os, time; taken = bytearray(b'x') * {200 * MIB}; pid = os.fork(); time.sleep(1.2); pid and os.wait()"
    cost = measure(python(fork), tmp_path, tmp_path / "log")
    assert 200 * MIB < cost.peak_bytes < 300 * MIB  # not twice
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {_TAKE.format(size=100 * MIB, seconds=1.2)!r}])"
    assert measure(python(child), tmp_path, tmp_path / "log").peak_bytes > 100 * MIB


def test_time_of_processors_and_of_the_clock(tmp_path: Path) -> None:
    waits = measure(python("import time; time.sleep(0.5)"), tmp_path, tmp_path / "log")
    works = measure(python("import time\nwhile time.process_time() < 0.5: pass"), tmp_path, tmp_path / "log")
    assert waits.seconds >= 0.5 > waits.cpu_s
    assert works.cpu_s >= 0.5


def test_phases(tmp_path: Path) -> None:
    code = "import time; print('before'); print('part a'); time.sleep(0.3); print('part b'); print('part a'); time.sleep(0.3)"
    cost = measure(python(code), tmp_path, tmp_path / "log", phase=re.compile(r"^part (\w)"))
    assert list(cost.phases) == ["a", "b"]
    assert cost.phases["a"].seconds >= 0.6 > cost.phases["b"].seconds
    assert 0 < cost.phases["a"].peak_bytes <= cost.peak_bytes
    assert (tmp_path / "log").read_text() == "before\npart a\npart b\npart a\n"


def test_a_command_that_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)left with 3:\nwhy it did"):
        measure(python("print('why it did'); raise SystemExit(3)"), tmp_path, tmp_path / "log")


def test_the_warm_server_of_the_repository_counts(tmp_path: Path) -> None:
    """A process that looks like it, and that is no child of the command."""
    (tmp_path / "components" / "warm").mkdir(parents=True)
    for package in ("components", "components/warm"):
        (tmp_path / package / "__init__.py").touch()
    code = (
        f"{_TAKE.format(size=100 * MIB, seconds=1.5)}; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    )
    (tmp_path / "components" / "warm" / "server.py").write_text(code)
    start = (
        "import subprocess, sys, time; subprocess.Popen([sys.executable, '-m', 'components.warm.server', sys.argv[1], '0'], "
        "start_new_session=True); time.sleep(1)"
    )
    cost = measure([*python(start), str(tmp_path)], tmp_path, tmp_path / "log")
    assert cost.peak_bytes > 100 * MIB
