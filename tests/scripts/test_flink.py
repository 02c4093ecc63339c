"""`make flink` is skipped with its reason where Java or Beam's job server is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JAR = f"beam-runners-flink-1.19-job-server-{version('apache-beam')}.jar"


def run(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the script where there is nothing but a shell, Python and what the test put there."""
    programs = tmp_path / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("bash", "dirname", "env"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    (programs / "python").symlink_to(sys.executable)
    path = os.pathsep.join([str(Path(sys.executable).parent), str(programs)])
    environment = {"PATH": path, "HOME": str(tmp_path), **variables}
    command = ["/usr/bin/bash", ROOT / "scripts" / "flink.sh"]
    return subprocess.run(command, check=False, env=environment, capture_output=True, text=True)


def java(tmp_path: Path) -> str:
    """A JAVA_HOME whose program does nothing."""
    home = tmp_path / "java"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text("#!/bin/sh\nexit 3\n")
    (home / "bin" / "java").chmod(0o755)
    return str(home)


def test_without_java(tmp_path: Path) -> None:
    done = run(tmp_path)
    expected = "flink: skipped: no java. Install Java 11 or later (Debian, Ubuntu: apt install default-jre-headless).\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_without_the_job_server(tmp_path: Path) -> None:
    done = run(tmp_path, JAVA_HOME=java(tmp_path))
    jars = tmp_path / ".apache_beam" / "cache" / "jars"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"flink: skipped: no {jars / JAR}. Get it from Maven Central: mvn dependency:copy -Dartifact=org.apache.beam:"
        f"beam-runners-flink-1.19-job-server:{version('apache-beam')} -DoutputDirectory={jars}\n"
    )


@pytest.mark.parametrize("name", ["none.jar"])
def test_a_jar_that_is_not_there(tmp_path: Path, name: str) -> None:
    done = run(tmp_path, JAVA_HOME=java(tmp_path), FLINK_JAR=name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "flink: FLINK_JAR=none.jar: no such file. Expected Beam's job server for Flink.\n"
