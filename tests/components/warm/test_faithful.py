"""A stage that the warm server forked is as one that was started in the shell."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.components.warm.conftest import Repository, heed_interrupts, is_alive, wait_until

COLD = {"TENSORLINE_WARM": "0"}
SEES = """
import atexit, json, os, resource, signal, tempfile, threading
atexit.register(print, "at exit")
os.write(2, b"to standard error\\n")
umask = os.umask(0)
seen = {
    "how": how.partition(":")[0],
    "arguments": sys.argv,
    "folder": os.getcwd(),
    "environment": {name: value for name, value in os.environ.items() if name != "TENSORLINE_WARM"},
    "umask": umask,
    "limits": resource.getrlimit(resource.RLIMIT_NOFILE),
    "input": sys.stdin.read(),
    "streams": [[s.name, s.encoding, s.errors, s.line_buffering, s.isatty()] for s in (sys.stdin, sys.stdout, sys.stderr)],
    "path": sys.path,
    "program": [__name__, __file__, __spec__.name, sys.modules["__main__"].__file__],
    "temporary": tempfile.gettempdir(),
    "hangup": str(signal.getsignal(signal.SIGHUP)),
    "interrupt": str(signal.getsignal(signal.SIGINT).__name__),
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "open": sorted(os.listdir("/proc/self/fd")),
}
print(json.dumps(seen))
threading.Timer(0.2, print, ["a thread that is no daemon"]).start()
return 7
"""


def test_it_sees_what_its_client_sees(repository: Repository, tmp_path: Path) -> None:
    repository.warm_up()
    repository.stage(SEES)
    (tmp_path / "temporary").mkdir()

    def prepare() -> None:
        heed_interrupts()
        os.umask(0o027)
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})

    def run(**environment: str) -> tuple[subprocess.CompletedProcess[str], dict[str, object]]:
        given = {"OWN": "Wert \udcff", "EMPTY": "", "TMPDIR": str(tmp_path / "temporary"), **environment}
        done = repository.run(
            "first", "", "zwei wörter", env=given, stdin=subprocess.PIPE, input="line\nline", preexec_fn=prepare
        )
        return done, json.loads(done.stdout.splitlines()[0])

    warm, seen = run()
    cold, expected = run(**COLD)
    assert (seen.pop("how"), expected.pop("how")) == ("warm", "cold")
    assert seen == expected
    assert (seen["umask"], seen["limits"], seen["hangup"], seen["input"]) == (0o027, [100, 200], "1", "line\nline")
    for done in (warm, cold):
        assert done.stdout.splitlines()[1:] == ["a thread that is no daemon", "at exit"]
        assert (done.stderr, done.returncode) == ("to standard error\n", 7)


ENDS = {
    "return 0": 0,
    "return 300": 300 & 0xFF,
    "sys.exit()": 0,
    "sys.exit('an explanation')": 1,
    "raise ValueError('what went wrong')": 1,
    "import os; os._exit(9)": 9,
    "raise KeyboardInterrupt": -signal.SIGINT,
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": -signal.SIGKILL,
    "import os, signal; os.kill(os.getpid(), signal.SIGTERM)": -signal.SIGTERM,
    "import ctypes; ctypes.string_at(0)": -signal.SIGSEGV,
}


def test_it_ends_as_it_would_in_the_shell(repository: Repository) -> None:
    repository.warm_up()
    for body, code in ENDS.items():
        repository.stage(f"print(how, flush=True)\n{body}")
        warm, cold = repository.run(), repository.run(env=COLD)
        assert warm.stdout.startswith("warm: ")
        assert (warm.returncode, cold.returncode) == (code, code), body
        assert warm.stderr.splitlines()[-1:] == cold.stderr.splitlines()[-1:]


WAITS = """
import os, signal, subprocess, sys, time
def note(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM:
        sys.exit(143)
for each in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
    signal.signal(each, note)
helper = subprocess.Popen(["sleep", "100"])
print(os.getpid(), helper.pid, flush=True)
while True:
    time.sleep(0.05)
"""


def test_signals_reach_it(repository: Repository) -> None:
    repository.warm_up()
    repository.stage(WAITS)
    with repository.start() as process:
        assert process.stdout is not None
        _, helper = map(int, process.stdout.readline().split())
        for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGTERM):
            process.send_signal(number)
            assert process.stdout.readline() == f"{number.name}\n"
        assert process.wait(10) == 143
        wait_until(lambda: not is_alive(helper), "Ctrl-C is for the helpers, too")
    repository.stage(WAITS.replace("signal.SIGTERM, signal.SIGINT, signal.SIGUSR1", "signal.SIGUSR1,"))
    with repository.start() as process:
        assert process.stdout is not None
        _, helper = map(int, process.stdout.readline().split())
        process.terminate()  # nobody handles it
        assert process.wait(10) == -signal.SIGTERM
        os.kill(helper, signal.SIGKILL)  # as from a shell, it outlives its parent


def test_ctrl_c_and_ctrl_z_at_a_terminal(repository: Repository) -> None:
    repository.warm_up()
    repository.stage(WAITS + "\n")
    pid, terminal = pty.fork()
    if pid == 0:
        heed_interrupts()
        os.chdir(repository.root)
        os.execve(sys.executable, [sys.executable, "-m", "components.probe"], repository.environment)  # noqa: S606
    read = os.read(terminal, 1000)
    stage = int(read.split()[0])
    os.write(terminal, b"\x1a")
    wait_until(lambda: state_of(stage) == "T" and state_of(pid) == "T", "Ctrl-Z stops both")
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: state_of(stage) != "T", "the stage goes on with its client")
    os.write(terminal, b"\x03")
    shown = b""
    while b"SIGINT" not in shown:
        shown += os.read(terminal, 1000)
    os.kill(pid, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 143
    os.close(terminal)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_killed_client_takes_its_stage_with_it(repository: Repository) -> None:
    server = repository.warm_up()
    repository.stage(WAITS)
    with repository.start() as process:
        assert process.stdout is not None
        stage, helper = map(int, process.stdout.readline().split())
        process.kill()
    wait_until(lambda: not is_alive(stage) and not is_alive(helper), "the stage and its helper are gone")
    assert repository.warm_up() == server


def test_a_killed_server_takes_its_stage_with_it_which_begins_again(repository: Repository) -> None:
    server = repository.warm_up()
    repository.stage(
        """
import os, time
print(how, flush=True)
if how.startswith("warm"):
    print(os.getpid(), flush=True)
    time.sleep(100)
return 5
"""
    )
    with repository.start() as process:
        assert process.stdout is not None
        process.stdout.readline()
        stage = int(process.stdout.readline())
        os.kill(server, signal.SIGKILL)
        out, err = process.communicate(timeout=20)
    assert not is_alive(stage)
    assert out == "cold: the warm server was killed, and the stage with it, which now begins again\n"
    assert (err, process.returncode) == ("", 5)


def test_the_code_is_always_fresh(repository: Repository) -> None:
    server = repository.warm_up()
    module = repository.root / "components" / "shared.py"
    for text in ("one", "another"):
        module.write_text(f"TEXT = '{text}'\n")
        repository.stage("from components.shared import TEXT\nprint(how.split()[-1], TEXT)")
        assert repository.run().stdout == f"{server} {text}\n"


def test_forks_do_not_repeat_each_others_random_numbers(repository: Repository) -> None:
    libraries = repository.root / "components" / "warm" / "libraries.py"
    libraries.write_text(libraries.read_text().replace('("decimal",)', '("numpy",)'))
    repository.warm_up()
    repository.stage("import random, numpy as np\nprint(how[:4], random.random(), np.random.rand())")
    runs = [repository.run() for _ in range(2)]
    assert [done.returncode for done in runs] == [0, 0], f"{[done.stderr for done in runs]}{repository.log()}"
    first, second = (done.stdout.split() for done in runs)
    assert first[0] == second[0] == "warm"
    assert first[1] != second[1]
    assert first[2] != second[2]


@pytest.mark.parametrize("stages", [3])
def test_several_at_once(repository: Repository, stages: int) -> None:
    repository.warm_up()
    repository.stage("import time\nprint(how[:4], sys.argv[1])\ntime.sleep(0.3)\nreturn int(sys.argv[1])")
    began = time.monotonic()
    processes = [repository.start(str(index)) for index in range(stages)]
    results = [(process.communicate(timeout=20)[0], process.returncode) for process in processes]
    assert results == [(f"warm {index}\n", index) for index in range(stages)]
    assert time.monotonic() - began < 20
