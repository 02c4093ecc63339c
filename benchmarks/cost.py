"""What a command costs: seconds by the clock and of processors, and memory at its highest, of all its processes together.

Memory is the proportional set size (Linux, `smaps_rollup`): a page that several processes share, as a fork shares those of its
parent, counts once. The warm server of the repository in which a command runs counts with it, and so do the stages that the
server forks, though they are no children of the command.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LOOK_EVERY_S = 0.2
_MOST_LOOKS = 10


@dataclass(frozen=True)
class Cost:
    """Of a command, its processes all together.

    Attributes:
        seconds: By the clock.
        cpu_s: Of processors, user and system.
        peak_bytes: At the highest moment.
        phases: Name → cost of the part of the command that a line of its output began, if these were asked for; without
            processor time.
    """

    seconds: float
    cpu_s: float
    peak_bytes: int
    phases: Mapping[str, Cost] = field(default_factory=dict)


def measure(
    command: list[str],
    cwd: Path,
    log: Path,
    environment: Mapping[str, str] | None = None,
    phase: re.Pattern[str] | None = None,
) -> Cost:
    """Runs a command to its end.

    Args:
        command: With its arguments.
        cwd: Where it runs: the root of a repository, whose warm server is counted.
        log: File to which its output is added.
        environment: Of the command; None for this process' own.
        phase: A line of the output that it matches begins the phase named by its first group; what comes before the first
            line is no phase.

    Raises: RuntimeError with the end of its log if it fails.
    """
    variables = {**(os.environ if environment is None else environment), "PYTHONUNBUFFERED": "1"}
    watcher = _Watcher(cwd.resolve())
    before = _children_cpu_s() + watcher.server_cpu_s()
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    watching = threading.Thread(target=watcher.watch, args=(process.pid,))
    watching.start()
    reading = threading.Thread(target=_copy_output, args=(process, log, phase, watcher), daemon=True)
    reading.start()
    code = process.wait()
    seconds = time.perf_counter() - started
    # A process that the command leaves behind may hold the pipe open for ever.
    reading.join(timeout=10)
    watcher.stop.set()
    watching.join()
    if code:
        raise RuntimeError(f"{' '.join(command)} left with {code}:\n{log.read_text(errors='replace')[-3000:]}")
    cpu_s = _children_cpu_s() + watcher.server_cpu_s() - before
    return Cost(seconds, cpu_s, watcher.peak_bytes, watcher.phases(started + seconds))


@dataclass
class _Watcher:
    """Looks at the memory of a command's processes, and notes when its phases began."""

    root: Path
    peak_bytes: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    _begun: list[tuple[str, float]] = field(default_factory=list)
    _peaks: list[int] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _looks: dict[int, int] = field(default_factory=dict)
    _known: set[int] = field(default_factory=set)

    def watch(self, pid: int) -> None:
        """Looks until `stop` is set."""
        while True:
            self._look(pid)
            if self.stop.wait(LOOK_EVERY_S):
                return

    def begin(self, name: str) -> None:
        """A phase begins now."""
        with self._lock:
            self._begun.append((name, time.perf_counter()))
            self._peaks.append(0)

    def phases(self, end: float) -> dict[str, Cost]:
        """Name → cost; of a phase that began several times, the sum of its times."""
        found: dict[str, Cost] = {}
        ends = [*(moment for _, moment in self._begun), end][1:]
        for (name, moment), after, peak in zip(self._begun, ends, self._peaks, strict=True):
            before = found.get(name, Cost(0.0, 0.0, 0))
            found[name] = Cost(before.seconds + after - moment, 0.0, max(before.peak_bytes, peak))
        return found

    def server_cpu_s(self) -> float:
        """Of the warm server and the stages that it has forked and seen end."""
        return sum(sum(server.cpu_times()[:4]) for server in self._servers())

    def _look(self, pid: int) -> None:
        tops = self._servers()
        with suppress(psutil.NoSuchProcess):
            tops.append(psutil.Process(pid))
        processes: dict[int, psutil.Process] = {}
        for top in tops:
            with suppress(psutil.NoSuchProcess):
                processes |= {each.pid: each for each in (top, *top.children(recursive=True))}
        # A phase's own peak is wanted too, so the lower of both decides whether a closer look can change anything.
        known = min(self.peak_bytes, self._peaks[-1] if self._peaks else self.peak_bytes)
        if sum(_bytes(each, "rss") for each in processes.values()) <= known:
            return
        now = sum(_bytes(each, "pss") for each in processes.values())  # walks page tables: some milliseconds a gigabyte
        with self._lock:
            self.peak_bytes = max(self.peak_bytes, now)
            if self._peaks:
                self._peaks[-1] = max(self._peaks[-1], now)

    def _servers(self) -> list[psutil.Process]:
        """Looks at each process a few times only: one that was just born may still wear its parent's command line."""
        wanted = ["-m", "components.warm.server", str(self.root)]
        pids = psutil.pids()
        self._looks = {pid: self._looks.get(pid, 0) for pid in pids}
        found = []
        for pid in pids:
            if pid not in self._known and self._looks[pid] > _MOST_LOOKS:
                continue
            self._looks[pid] += 1
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process = psutil.Process(pid)
                if process.cmdline()[1:4] == wanted:
                    self._known.add(pid)
                    found.append(process)
        return found


def _bytes(process: psutil.Process, measure: str) -> int:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        size: int = process.memory_info().rss if measure == "rss" else process.memory_full_info().pss
        return size
    return 0


def _children_cpu_s() -> float:
    """Of all processes that this one has started and seen end, with theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _copy_output(process: subprocess.Popen[bytes], log: Path, phase: re.Pattern[str] | None, watcher: _Watcher) -> None:
    assert process.stdout is not None  # noqa: S101  for the type checker
    with log.open("ab") as out:
        for line in process.stdout:
            out.write(line)
            out.flush()
            if phase is not None and (match := phase.search(line.decode(errors="replace"))):
                watcher.begin(match[1])
