"""Which process made a run, so that a later one can tell whether it still lives."""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
from functools import cache
from pathlib import Path

import psutil

PID = "tensorline.process.pid"
HOST = "tensorline.process.host"
MACHINE = "tensorline.process.machine"
STARTED = "tensorline.process.started"

# The system derives a process's start from its boot time, which moves a little when the clock is corrected.
_START_TOLERANCE_S = 2.0


def process_tags() -> dict[str, str]:
    """Tags that identify this process; a process id alone would be used again."""
    pid = os.getpid()
    return {
        PID: str(pid),
        HOST: socket.gethostname(),
        MACHINE: _machine(),
        STARTED: f"{psutil.Process(pid).create_time():.2f}",
    }


def on_this_host(tags: dict[str, str]) -> bool:
    """Whether the process with these tags ran, or runs, on this host."""
    return tags.get(HOST) == socket.gethostname() and tags.get(MACHINE, _machine()) == _machine()


@cache
def _machine() -> str:
    """Tells machines of one name apart, such as two laptops called `ubuntu` that share a server.

    The system's id is not to be shown (machine-id(5)), so its digest is; `unknown` where there is none, as in many containers.
    """
    try:
        text = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        text = ""
    return hashlib.sha256(f"tensorline {text}".encode()).hexdigest()[:16] if text else "unknown"


def is_gone(tags: dict[str, str]) -> bool:
    """Whether the process with these tags ran on this host and no longer does; False where nothing can be known."""
    if not on_this_host(tags) or PID not in tags or STARTED not in tags:
        return False
    try:
        process = psutil.Process(int(tags[PID]))
        same = abs(process.create_time() - float(tags[STARTED])) <= _START_TOLERANCE_S
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def user_name() -> str:
    """Who runs this; `unknown` where the system has no name for the user, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
