"""Has DVC build a pipeline's stages, in a process of its own, and hears what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

_RUNNING = re.compile(r"^Running stage '(?P<stage>\w+)@")
_EXITED = re.compile(r"exited with (?P<code>-?\d+)$")
_MISTAKE = 2
"""The exit code with which a stage refuses what it was given."""
_MAX_MESSAGE_CHARS = 20_000
_LAST_LINES = 20


@dataclass(frozen=True)
class Built:
    """What DVC did.

    Attributes:
        ran: The stages that it ran, in order, the one that stopped last.
        stopped_at: The stage that stopped; None if all went well, or if DVC itself failed.
        message: What that stage said, or the last lines of DVC; '' if all went well.
        refused: Whether the stage refused what it was given, rather than failed.
        new_lock: Whether dvc.lock changed: something was built, or was found in DVC's cache of earlier builds.
    """

    ran: tuple[str, ...]
    stopped_at: str | None = None
    message: str = ""
    refused: bool = False
    new_lock: bool = False

    @property
    def done(self) -> bool:
        """Whether all went well."""
        return not self.message


def repro(root: Path, name: str, stage: str, on_line: Callable[[str], None]) -> Built:
    """`dvc repro STAGE@NAME`, which builds what changed of the stages up to that one.

    Args:
        root: The repository's root.
        name: The pipeline.
        stage: The last stage that is wanted.
        on_line: Called with each line of DVC and the stages, as it comes.
    """
    lines: list[str] = []
    lock = root / "dvc.lock"
    before = _bytes(lock)
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", f"{stage}@{name}"],
        cwd=root,
        # Else DVC's own lines would come in blocks, after those of the stages.
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None  # noqa: S101  for the type checker
    with process:
        try:
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                on_line(lines[-1])
            code = process.wait()
        except BaseException:
            _end(process)
            raise
    return replace(_read(name, lines, code), new_lock=_bytes(lock) != before)


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _end(process: subprocess.Popen[str]) -> None:
    """Stops DVC and the stage below it, which closes its MLflow run, and waits for both."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    for child in family:
        try:
            child.terminate()
        except psutil.NoSuchProcess:  # Ctrl-C came to it too
            continue
    psutil.wait_procs(family, timeout=60)
    process.terminate()
    process.wait()


def _read(name: str, lines: list[str], code: int) -> Built:
    ran = tuple(found["stage"] for line in lines if (found := _RUNNING.match(line)))
    if code == 0:
        return Built(ran)
    exited = [int(found["code"]) for line in lines[-_LAST_LINES:] if (found := _EXITED.search(line))]
    if not exited or not ran:
        return Built(
            ran, None, _cut("\n".join(lines[-_LAST_LINES:]).strip()) or f"dvc repro left with {code} and said nothing"
        )
    begins = f"{name} · {ran[-1]}: "
    start = max((index for index, line in enumerate(lines) if line.startswith(begins)), default=None)
    if start is None:
        message = "\n".join(lines[-_LAST_LINES:])
    else:
        end = next((i for i in range(start, len(lines)) if lines[i].startswith("ERROR: failed to reproduce")), len(lines))
        message = "\n".join(lines[start:end]).removeprefix(begins)
    return Built(ran, ran[-1], _cut(message.strip()), refused=exited[-1] == _MISTAKE)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_MESSAGE_CHARS else f"{text[:_MAX_MESSAGE_CHARS]}\n… cut here, of {len(text):,} characters"
