"""The server: `python -m components.warm.server ROOT LOCK`, as `components.warm.client` starts it.

It imports the libraries, then listens, and forks a process for each stage. It has one thread, and never uses what it imported.
Once it has those of the light stages, a fork of it serves these, until all libraries are there.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from components.environment import prepare
from components.warm import child, memory, streams, wire
from components.warm.conditions import limits_out_of_reach, of_this_process, shaping
from components.warm.libraries import LIBRARIES, LIGHT, WITH_THREADS, NotForkableError, import_all, recording
from components.warm.packages import fingerprint
from components.warm.place import Place

IDLE_S = 900.0
"""Unless `warm.idle_s` in params.yaml says otherwise."""
_CHECK_EVERY_S = 2.0
_TALK_S = 5.0
"""So long a client may take to say what it wants."""
_BACKLOG = 16


@dataclass
class _Stage:
    """A forked process."""

    pid: int
    pidfd: int
    connection: socket.socket
    go: int
    what: str
    started: float = field(default_factory=time.monotonic)


class Server:
    """Serves one repository; see the module's docstring.

    Args:
        place: Where to listen.
        lock: File descriptor that holds the place's lock.
    """

    def __init__(self, place: Place, lock: int) -> None:
        self._place = place
        self._socket = place.socket
        self._lock: int | None = lock
        self._early: tuple[int, int] | None = None  # (the early server's process id, a pipe that it watches)
        self._watched: set[int] = set()  # what the selector looks at beside the listener and the stages
        self._started = time.time()
        self._conditions = of_this_process()
        self._environment = dict(os.environ)
        self._path = list(sys.path)
        self._packages = fingerprint(self._path)
        self._root = os.stat(place.root)
        self._asked: set[str] = set()
        self._changed: dict[str, str] = {}
        self._selector = selectors.DefaultSelector()
        self._listener: socket.socket | None = None
        self._stages: dict[int, _Stage] = {}
        self._num_stages = 0
        self._last_used = time.monotonic()
        self._idle_s = (0, IDLE_S)  # (of which version of params.yaml, seconds)

    def prepare(self) -> None:
        """Imports the libraries, and has light stages served as soon as theirs are there. Raises: NotForkableError."""
        self._import(WITH_THREADS, LIGHT)
        self._serve_early()
        self._import((), LIBRARIES)
        _say(f"imported in {time.time() - self._started:.1f} s")

    def _import(self, with_threads: Sequence[str], others: Sequence[str]) -> None:
        with recording() as asked:
            import_all(with_threads, others)
        self._asked |= asked
        self._changed = {name: value for name, value in os.environ.items() if self._environment.get(name) != value}

    def _serve_early(self) -> None:
        """Forks a server for light stages, which closes its door once this one listens, or is gone."""
        gc.collect()
        gc.freeze()  # as in `serve`
        watched, held = os.pipe()
        pid = os.fork()
        if pid:
            os.close(watched)
            self._early = pid, held
            return
        try:
            os.close(held)
            self._early = None
            self._release_lock()
            self._socket = self._place.early_socket
            self._selector.close()
            self._selector = selectors.DefaultSelector()
            self._watch(watched, self._superseded)
            self.listen()
            self.serve()
        except BaseException:  # noqa: BLE001  nothing may return to what the other server does
            traceback.print_exc()
        finally:
            os._exit(0)

    def _watch(self, file: int, act: Callable[[], object]) -> None:
        """Has `act` called once, when `file`, which is closed then, can be read."""

        def once() -> None:
            self._selector.unregister(file)
            self._watched.remove(file)
            os.close(file)
            act()

        self._watched.add(file)
        self._selector.register(file, selectors.EVENT_READ, once)

    def _superseded(self) -> None:
        if self._listener is not None:
            self._close()

    def _replace_early(self) -> None:
        """Has the early server let no more stages in, and waits for its end, which may be that of its last stage."""
        if self._early is None:
            return
        pid, held = self._early
        Path(self._place.early_socket).unlink(missing_ok=True)
        self._watch(os.pidfd_open(pid), partial(os.waitpid, pid, 0))
        os.close(held)
        self._early = None

    def listen(self) -> None:
        """Opens the socket; from now on stages find this server."""
        Path(self._socket).unlink(missing_ok=True)  # of a server that was killed: this one, or its parent, has the lock
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        umask = os.umask(0o177)
        try:
            listener.bind(self._socket)
        finally:
            os.umask(umask)
        listener.listen(_BACKLOG)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        self._replace_early()

    def serve(self) -> None:
        """Returns when it is time to leave, and the last stage has ended."""
        gc.collect()
        gc.freeze()  # what stages share with this process is not to be copied because their collector looks at it
        while self._listener is not None or self._stages:
            for key, _ in self._selector.select(_CHECK_EVERY_S):
                act: Callable[[], None] = key.data
                act()
            if self._listener is not None and (reason := self._reason_to_leave()):
                self._close(reason)

    def _reason_to_leave(self) -> str | None:
        out_of_date = self._out_of_date()  # first, for it is so as well where the repository goes meanwhile
        try:
            root = os.stat(self._place.root)
            at_socket = os.stat(self._socket)
        except FileNotFoundError:
            return "the repository or the socket is gone"
        if (root.st_dev, root.st_ino) != (self._root.st_dev, self._root.st_ino) or at_socket.st_uid != os.getuid():
            return "the repository is another one"
        if not self._stages and time.monotonic() - self._last_used > self._read_idle_s():
            return f"idle for {self._read_idle_s():g} s (warm.idle_s)"
        return out_of_date or self._short_of_memory()

    def _out_of_date(self) -> str | None:
        try:
            same = fingerprint(self._path) == self._packages
        except OSError:
            same = False  # an environment that is being taken apart
        return None if same else "the environment's packages, or the server's own code, have changed"

    def _short_of_memory(self) -> str | None:
        available = memory.available_bytes()
        if available >= memory.TO_STAY_BYTES:
            return None
        return f"memory is short: {available / 2**30:.1f} GiB available, {memory.TO_STAY_BYTES / 2**30:.1f} GiB needed"

    def _read_idle_s(self) -> float:
        path = Path(self._place.root) / "params.yaml"
        try:
            version = path.stat().st_mtime_ns
        except FileNotFoundError:
            return IDLE_S
        if version != self._idle_s[0]:
            self._idle_s = (version, _idle_s(path))
        return self._idle_s[1]

    def _close(self, reason: str | None = None) -> None:
        """Lets no more stages in; another server may be started. Without a reason there is one already."""
        if reason is not None:
            _say(f"leaves: {reason}")
        if self._listener is not None:
            Path(self._socket).unlink(missing_ok=True)
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
            self._release_lock()

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            _say(f"a client that can't be let in: {error!r}")
            return
        connection.settimeout(_TALK_S)
        files: list[int] = []
        try:
            if wire.peer(connection)[1] == os.getuid():
                request, files = wire.receive_with_files(connection)
                if request is not None and self._answer(connection, request, files):
                    return
        except (OSError, ValueError) as error:
            _say(f"a client that can't be understood: {error!r}")
        finally:
            for file in files:
                os.close(file)
        connection.close()

    def _answer(self, connection: socket.socket, request: Mapping[str, Any], files: list[int]) -> bool:
        """Does what is asked for; whether the connection stays open."""
        if request["what"] == "status":
            wire.send(connection, self._status())
            return False
        if request["what"] == "stop":
            self._close("asked to")
            wire.send(connection, {"stages": len(self._stages)})
            return False
        if reason := self._out_of_date() or self._short_of_memory():
            self._close(reason)
        else:
            reason = self._difference(request, files)
        if reason:
            _say(f"not for {request['what']}: {reason}")
            wire.send(connection, {"refused": reason, "left": self._listener is None})
            return False
        self._begin(connection, request, files)
        return True

    def _difference(self, request: Mapping[str, Any], files: list[int]) -> str | None:
        """Why this server can't run the stage as the stage itself would run; None if it can."""
        if len(files) != wire.NUM_FILES:
            return "files did not come through"
        theirs = request["conditions"]
        for name, value in self._conditions.items():
            if theirs.get(name) != value:
                return f"{name}: other than when the warm server was started"
        own, other = (
            shaping(environment, self._asked) for environment in (self._environment, request["given"]["environment"])
        )
        different = sorted(name for name in own.keys() | other.keys() if own.get(name) != other.get(name))
        if different:
            return f"environment variables that are not as when the warm server was started: {', '.join(different)}"
        if limits := limits_out_of_reach(request["given"]["limits"]):
            return f"limits (ulimit) above those of the warm server: {', '.join(limits)}"
        return None

    def _begin(self, connection: socket.socket, request: Mapping[str, Any], files: list[int]) -> None:
        server = os.getpid()
        start, go = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                connection.close()
                os.close(go)
                self._let_go()
                child.become(request["given"], files, start, self._changed, server)
            finally:
                os._exit(1)  # whatever went wrong, a fork is no server
        os.close(start)
        stage = _Stage(pid, os.pidfd_open(pid), connection, go, request["what"])
        self._stages[pid] = stage
        self._num_stages += 1
        self._selector.register(stage.pidfd, selectors.EVENT_READ, partial(self._ended, stage))
        self._selector.register(connection, selectors.EVENT_READ, partial(self._hear, stage))
        with contextlib.suppress(OSError):  # of a client that is gone, which `_hear` finds out
            wire.send(connection, {"started": pid})

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _let_go(self) -> None:
        """Closes, in a fork, what is the server's."""
        self._selector.close()
        for stage in self._stages.values():
            stage.connection.close()
            os.close(stage.pidfd)
            os.close(stage.go)
        for file in self._watched:
            os.close(file)
        if self._listener is not None:
            self._listener.close()
            self._release_lock()

    def _hear(self, stage: _Stage) -> None:
        """A signal to pass on; or the client is gone, and the stage must go, too."""
        if self._stages.get(stage.pid) is not stage:
            return  # it ended a moment ago
        try:
            message = wire.receive(stage.connection)
        except (OSError, ValueError):
            message = None
        if message is None:
            self._selector.unregister(stage.connection)
            _signal(stage.pid, signal.SIGKILL, group=True)
            _say(f"{stage.what}: the client is gone")
        elif "go" in message:
            with contextlib.suppress(OSError):  # of a stage that was killed meanwhile
                os.write(stage.go, b"!")
        else:
            _signal(stage.pid, message["signal"], group=message["group"])

    def _ended(self, stage: _Stage) -> None:
        _, status = os.waitpid(stage.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self._selector.unregister(stage.pidfd)
        os.close(stage.pidfd)
        os.close(stage.go)
        try:
            wire.send(stage.connection, {"exit": code} if code >= 0 else {"killed": -code})
            self._selector.unregister(stage.connection)
        except (OSError, KeyError):
            pass  # the client went before
        stage.connection.close()
        del self._stages[stage.pid]
        self._last_used = time.monotonic()
        _say(f"{stage.what}: {code} after {time.monotonic() - stage.started:.1f} s")

    def _status(self) -> dict[str, Any]:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()
        return {
            "pid": os.getpid(),
            "up_s": time.time() - self._started,
            "num_stages": self._num_stages,
            "running": [stage.what for stage in self._stages.values()],
            "idle_s": 0.0 if self._stages else time.monotonic() - self._last_used,
            "leaves_after_s": self._read_idle_s(),
            "rss_bytes": int(pages[1]) * os.sysconf("SC_PAGESIZE"),
        }


def _signal(pid: int, number: int, *, group: bool) -> None:
    """To a process that was not waited for yet, so that its id is still its own."""
    if group:
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            pass  # it was forked a moment ago, and has no group yet
        else:
            return
    os.kill(pid, number)


def _idle_s(path: Path) -> float:
    """`warm.idle_s` of the file, or the default."""
    from ruamel.yaml import YAML

    try:
        return float(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))["warm"]["idle_s"])
    except Exception:  # noqa: BLE001  left out, or a mistake in the file, of which whoever uses the parameters tells
        return IDLE_S


def _say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)


def main(root: str, lock: int) -> int:
    """Serves until it is time to leave; returns the exit code."""
    # What a shell, make or a test runner had open would keep whoever reads at the other end waiting.
    os.closerange(3, lock)
    os.closerange(lock + 1, os.sysconf("SC_OPEN_MAX"))
    os.set_inheritable(lock, False)
    streams.make()
    prepare()
    server = Server(Place(root), lock)
    try:
        server.prepare()
    except NotForkableError as error:
        _say(f"can't serve: {error}")
        return 1
    server.listen()
    server.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
