"""What a stage begins with: has the warm server fork its process, or runs it in this one, cold.

Imports next to nothing: all of it is time that every stage takes. Whatever goes wrong with the server, the stage runs cold and
its log says why.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from components.environment import prepare
from components.warm import memory, wire
from components.warm.conditions import of_this_process, to_pass_on
from components.warm.place import Place, UnsafeFolderError

SWITCH = "TENSORLINE_WARM"
_CONNECT_S = 2.0
_ANSWER_S = 10.0
_END_S = 30.0
_HEAD_START_S = 1.0
_IMPORTS_S = 60.0
"""More than the imports take."""
_GROUP = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
"""What a terminal sends to all processes of a command."""
_ONE = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

forked_from: int | None = None
"""Process id of the server of which this process is a fork."""


class ColdError(Exception):
    """Why the stage can't be warm."""


class StillRunningError(Exception):
    """The stage can't be begun again, for its process goes on, and nobody can tell how it ends."""


def begin(what: str, *, imports_much: bool = True) -> tuple[int | None, str]:
    """Has the warm server run this program, with these arguments, if it can.

    Args:
        what: The program in a few words, for logs.
        imports_much: Whether this program itself would import for about as long as a server does that has already begun to,
            so that it waits for that one; else a server will do that has no more than `libraries.LIGHT` yet.

    Returns: (exit code, …) if it ran; (None, how this process itself is to be called in the stage's log) if it is to run here.
        Does not return if the stage was killed by a signal: this process dies of the same.
    """
    if forked_from is not None:
        return None, f"warm: forked from the warm server, process {forked_from}"
    prepare()
    try:
        require_wanted()
        place = Place(os.getcwd())
        connection = connect(place)
        if connection is None and not imports_much:
            connection = connect(place, early=True)
        if connection is None and imports_much and _has_head_start(place):
            connection = _await(place)
        if connection is None:
            start(place)
            raise ColdError("no warm server is ready yet; one is being started")
        with connection:
            return _run(connection, place, what), ""
    except (ColdError, UnsafeFolderError) as reason:
        return None, f"cold: {reason}"
    except StillRunningError:
        print(
            f"{what}: its warm server was killed, but its process goes on. Look for it, and run the stage again.",
            file=sys.stderr,
        )
        return 1, ""
    except (OSError, ValueError) as error:
        return None, f"cold: the warm server can't be used: {error!r}"


def require_wanted() -> None:
    """Raises: ColdError if there is to be no warm server, here and now."""
    switch = os.environ.get(SWITCH, "")
    if switch == "0":
        raise ColdError(f"{SWITCH}=0")
    if os.environ.get("CI") and switch != "1":
        raise ColdError(f"in CI (the environment variable CI is set), without {SWITCH}=1")
    if sys.platform != "linux":
        raise ColdError(f"no warm server on {sys.platform}")
    if sys.gettrace() or sys.getprofile():
        raise ColdError("a tracer or profiler watches this process")
    if any(argument.startswith("-") and argument != "-m" for argument in sys.orig_argv[1:2]):
        raise ColdError(f"Python was given the option {sys.orig_argv[1]}")
    if not os.path.isfile(sys.argv[0]):
        raise ColdError("this program is no file")
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            raise ColdError("standard input, output or error is closed") from None


def connect(place: Place, *, early: bool = False) -> socket.socket | None:
    """A connection to the server; None if none listens. Raises: ColdError if it is another user's; OSError.

    Args:
        place: Where it listens.
        early: To the one for light stages, which is there while the server of all imports.
    """
    path = place.early_socket if early else place.socket
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_CONNECT_S)
        connection.connect(path)
        if wire.peer(connection)[1] != os.getuid():
            raise ColdError(f"who listens at {path} is another user")
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    return connection


def _has_head_start(place: Place) -> bool:
    """Whether a server began to import some time ago."""
    try:
        began = os.stat(place.lock_file).st_mtime
    except FileNotFoundError:
        return False
    return _HEAD_START_S < time.time() - began < _IMPORTS_S


def _await(place: Place) -> socket.socket | None:
    """A connection to the server that is importing; None if it left instead. Raises: ColdError, OSError as `connect`."""
    give_up = time.monotonic() + _IMPORTS_S
    while time.monotonic() < give_up:
        lock = place.lock()
        if lock is not None:
            os.close(lock)
            return None
        for _ in range(10):
            if (connection := connect(place)) is not None:
                return connection
            time.sleep(0.05)
    return None


def start(place: Place) -> None:
    """Starts a server in the background. Raises: ColdError if there is one already, or memory is short; OSError."""
    available = memory.available_bytes()
    if available < memory.TO_START_BYTES:
        raise ColdError(
            f"no warm server is started: {available / 2**30:.1f} GiB of memory available, "
            f"{memory.TO_START_BYTES / 2**30:.1f} GiB needed"
        )
    lock = place.lock()
    if lock is None:
        raise ColdError("the warm server is still importing the libraries, or is leaving")
    prepare()
    try:
        os.utime(lock)
        os.set_inheritable(lock, True)
        log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.posix_spawn(
                sys.executable,
                [sys.executable, "-m", "components.warm.server", place.root, str(lock)],
                os.environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                ],
                setsid=True,  # Ctrl-C, and the end of the terminal, are not meant for it
                setsigmask=[],
                setsigdef=[*_GROUP, *_ONE],
            )
        finally:
            os.close(log)
    finally:
        os.close(lock)  # the server has inherited it


def _run(connection: socket.socket, place: Place, what: str) -> int:
    """The exit code of the program, which the server's fork runs. Raises: ColdError; OSError; ValueError."""
    connection.settimeout(_ANSWER_S)
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
        request = {"what": what, "conditions": of_this_process(), "given": to_pass_on()}
        wire.send(connection, request, (0, 1, 2, folder))
    finally:
        os.close(folder)
    answer = wire.receive(connection)
    if answer is not None and "refused" in answer:
        if answer["left"]:
            start(place)
        raise ColdError(str(answer["refused"]))
    if answer is None or "started" not in answer:
        raise ColdError("the warm server left without an answer")
    try:
        process = os.pidfd_open(answer["started"])
    except ProcessLookupError:  # it has ended already, and the server says how
        process = None
    try:
        end = _follow(connection)
    except (OSError, ValueError):
        end = None
    if end is None:
        connection.close()  # a server that lives, but can't be understood, has the stage end
        _wait_for_end(process)
        raise ColdError("the warm server was killed, and the stage with it, which now begins again")
    if "killed" in end:
        _die_of(end["killed"])
    return int(end["exit"])


def _follow(connection: socket.socket) -> dict[str, Any] | None:
    """Passes signals on until the program has ended; how it did, or None if the server is gone."""

    def send(number: int, *, group: bool) -> None:
        with contextlib.suppress(OSError):  # the server is gone, which `receive` finds out
            wire.send(connection, {"signal": number, "group": group})

    def forward(number: int, frame: object) -> None:
        send(number, group=number in _GROUP)

    def stop(number: int, frame: object) -> None:
        send(signal.SIGSTOP, group=True)
        os.kill(os.getpid(), signal.SIGSTOP)
        send(signal.SIGCONT, group=True)  # this process was told to go on

    before: dict[int, Any] = {}
    for number in (*_GROUP, *_ONE, signal.SIGTSTP):
        if signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, stop if number == signal.SIGTSTP else forward)
    connection.settimeout(None)
    try:
        wire.send(connection, {"go": True})  # not before: what this process gave up waiting for must not have begun
        return wire.receive(connection)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _wait_for_end(process: int | None) -> None:
    """Returns when a fork whose server is gone has ended, as the system has it do. Raises: StillRunningError."""
    if process is not None:
        poll = select.poll()
        poll.register(process, select.POLLIN)
        if not poll.poll(_END_S * 1000):
            raise StillRunningError


def _die_of(number: int) -> None:
    """Ends this process by the signal that ended the stage."""
    import resource

    resource.setrlimit(
        resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1])
    )  # the stage's is the one to keep
    sys.stdout.flush()
    sys.stderr.flush()
    if number not in {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # where a signal can't end it, as of process 1 of a container
