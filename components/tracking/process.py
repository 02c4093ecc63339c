"""Which process made a run, so that a later one can tell whether it still lives."""

from __future__ import annotations

import getpass
import os
import socket

import psutil

PID = "tensorline.process.pid"
HOST = "tensorline.process.host"
STARTED = "tensorline.process.started"

# The system derives a process's start from its boot time, which moves a little when the clock is corrected.
_START_TOLERANCE_S = 2.0


def process_tags() -> dict[str, str]:
    """Tags that identify this process; a process id alone would be used again."""
    pid = os.getpid()
    return {PID: str(pid), HOST: socket.gethostname(), STARTED: f"{psutil.Process(pid).create_time():.2f}"}


def on_this_host(tags: dict[str, str]) -> bool:
    """Whether the process with these tags ran, or runs, on this host."""
    return tags.get(HOST) == socket.gethostname()


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
