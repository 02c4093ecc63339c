"""Makes a fork of the server as good as a process that the client had started itself, and runs the client's program in it."""

from __future__ import annotations

import atexit
import ctypes
import importlib
import os
import resource
import runpy
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from components.warm import streams
from components.warm.conditions import take_limits

_PR_SET_PDEATHSIG = 1
_OURS = ("components", "recipes", "pipelines")


def become(request: Mapping[str, Any], files: Sequence[int], start: int, changed: Mapping[str, str], server: int) -> NoReturn:
    """Runs the program of `request` in this process, which was just forked, and ends it as the interpreter would.

    Args:
        request: As `conditions.to_pass_on` makes it.
        files: Standard input, output and error, and the working directory.
        start: A pipe, from which a byte comes when the client, which knows of this process now, wants it to begin.
        changed: Environment variables that libraries set when the server imported them.
        server: Process id of the server; without it this process must not go on, for nobody would stop it with its client.
    """
    status = 1
    killed_by = None
    try:
        _die_with(server)
        _take_on(request, files, changed)
        if not os.read(start, 1):
            os._exit(1)  # nobody waits for it
        os.close(start)
        status, killed_by = _run(request["main"], server)
    except BaseException:  # noqa: BLE001  nothing may return to the server's own code
        traceback.print_exc()
    finally:
        _end(status, killed_by)


def _die_with(server: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != server:
        os._exit(1)


def _take_on(request: Mapping[str, Any], files: Sequence[int], changed: Mapping[str, str]) -> None:
    """Everything of the client's that a process has, in place of the server's."""
    os.setsid()  # a process group of its own, as a stage has in a shell: its signals reach its helpers as well
    os.fchdir(files[3])
    os.umask(request["umask"])
    take_limits(request["limits"])
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ}:
        if number < signal.SIGRTMIN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, request["blocked"])
    os.environ.clear()
    os.environ.update({**request["environment"], **changed})
    time.tzset()
    streams.connect(files[:3], request["streams"])
    for file in files:
        os.close(file)
    tempfile.tempdir = None
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]
    sys.argv[:] = request["arguments"]
    sys.path[:] = request["path"]
    importlib.invalidate_caches()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()  # as at its import; Python's own generator has done so at the fork


def _run(main: Mapping[str, str], server: int) -> tuple[int, int | None]:
    """(exit status, None), or (…, the signal that ends the process)."""
    setattr(importlib.import_module("components.warm.client"), "forked_from", server)  # noqa: B010  the client's own code
    try:
        if "module" in main:
            runpy.run_module(main["module"], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(main["script"], run_name="__main__")
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return (leaving.code or 0) & 0xFF, None
        print(leaving.code, file=sys.stderr)
        return 1, None
    except KeyboardInterrupt:
        sys.excepthook(*sys.exc_info())
        return 1, signal.SIGINT
    except BaseException:  # noqa: BLE001  as the interpreter does
        sys.excepthook(*sys.exc_info())
        return 1, None
    return 0, None


def _end(status: int, killed_by: int | None) -> NoReturn:
    """What the interpreter does at its end, but for taking a gigabyte of libraries apart."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  waits for threads that are no daemons
        atexit._run_exitfuncs()  # noqa: SLF001
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):  # a reader that is gone
                status = status or 120  # as the interpreter has it
        if killed_by is not None:
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
            signal.signal(killed_by, signal.SIG_DFL)
            os.kill(os.getpid(), killed_by)
        os._exit(status)
