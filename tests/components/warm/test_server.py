"""When a server is started, who may use it, and when it leaves."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.warm import memory
from components.warm.conditions import shaping
from components.warm.libraries import LIBRARIES, NotForkableError, import_all, recording
from components.warm.packages import fingerprint
from components.warm.place import Place, UnsafeFolderError
from tests.components.warm.conftest import ROOT, Repository, is_alive, wait_until

STARTING = "cold: no warm server is ready yet; one is being started\n"


def test_the_first_stage_runs_cold_and_starts_the_server_which_holds_nothing_open(repository: Repository) -> None:
    began = time.monotonic()
    first = repository.run()  # its pipes are read until all who hold them have closed them
    assert (first.stdout, first.returncode) == (STARTING, 0)
    assert time.monotonic() - began < 20
    server = repository.warm_up()
    folder = repository.runtime / "tensorline"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.suffix: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        ".sock": 0o600,
        ".lock": 0o600,
        ".log": 0o600,
    }
    assert os.getsid(server) == server


def test_two_that_start_at_once_start_one_server(repository: Repository) -> None:
    libraries = repository.root / "components" / "warm" / "libraries.py"
    libraries.write_text(libraries.read_text() + "\nimport time\ntime.sleep(1)\n")
    processes = [repository.start() for _ in range(3)]
    said = sorted(process.communicate(timeout=20)[0] for process in processes)
    assert said == [STARTING] + ["cold: the warm server is still importing the libraries, or is leaving\n"] * 2 or (
        said.count(STARTING) == 1 and all(each.startswith(("cold: ", "warm: ")) for each in said)
    )
    server = repository.warm_up()
    assert repository.ask("status")["pid"] == server


@pytest.mark.parametrize(("end", "expected"), [("", "warm: forked"), ("import os; os._exit(1)", STARTING)])
def test_who_comes_while_the_libraries_are_imported_waits_for_them(repository: Repository, end: str, expected: str) -> None:
    libraries = repository.root / "components" / "warm" / "libraries.py"
    libraries.write_text(f"{libraries.read_text()}\nimport time\ntime.sleep(4)\n{end}\n")
    assert repository.run().stdout == STARTING
    time.sleep(1.5)
    assert repository.run().stdout.startswith(expected)


def test_who_imports_little_waits_for_nobody(repository: Repository) -> None:
    libraries = repository.root / "components" / "warm" / "libraries.py"
    libraries.write_text(f"{libraries.read_text()}\nimport time\ntime.sleep(4)\n")
    probe = repository.root / "components" / "probe" / "__main__.py"
    probe.write_text(probe.read_text().replace('begin("probe")', 'begin("probe", imports_much=False)'))
    assert repository.run().stdout == STARTING
    time.sleep(1.5)
    assert repository.run().stdout == "cold: the warm server is still importing the libraries, or is leaving\n"


@pytest.mark.parametrize("kill", [False, True])
def test_who_imports_little_is_served_while_the_other_libraries_are_imported(repository: Repository, kill: bool) -> None:
    libraries = repository.root / "components" / "warm" / "libraries.py"
    libraries.write_text(libraries.read_text().replace('\nLIBRARIES = ("decimal",)', '\nLIBRARIES = ("slow_library",)'))
    (repository.root / "slow_library.py").write_text("import time\ntime.sleep(6)\n")
    probe = repository.root / "components" / "probe" / "__main__.py"
    much = probe.read_text()
    probe.write_text(much.replace('begin("probe")', 'begin("probe", imports_much=False)'))
    assert repository.run().stdout == STARTING
    place = repository.runtime / "tensorline"
    wait_until(lambda: list(place.glob("*.soon")), "no early server")
    early = repository.run().stdout
    assert early.startswith("warm: forked from the warm server, process ")
    assert not list(place.glob("*.sock"))
    early_server = int(early.rsplit(maxsplit=1)[1])
    if kill:
        server = int(Path(f"/proc/{early_server}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(server, signal.SIGKILL)
    else:
        time.sleep(1.0)
        probe.write_text(much)  # waits for the server of all
        server = int(repository.run().stdout.rsplit(maxsplit=1)[1])
        assert server != early_server
        assert repository.ask("status")["pid"] == server
    repository.has_left(early_server)
    wait_until(lambda: not list(place.glob("*.soon")), "the early server's socket is left")
    assert is_alive(server) is not kill


def test_a_socket_that_a_killed_server_left(repository: Repository) -> None:
    server = repository.warm_up()
    os.kill(server, signal.SIGKILL)
    repository.has_left(server)
    assert list((repository.runtime / "tensorline").glob("*.sock")) != []
    assert repository.run().stdout == STARTING
    assert repository.warm_up() != server


def test_a_folder_that_is_not_ones_own(repository: Repository) -> None:
    folder = repository.runtime / "tensorline"
    folder.mkdir(mode=0o755)
    expected = (
        f"{folder}: expected a folder of user {os.getuid()} that is closed to others (mode 0700), found mode {{}} of user "
        "{}. Remove it, or set XDG_RUNTIME_DIR to a folder of your own"
    )
    assert repository.run().stdout == f"cold: {expected.format('drwxr-xr-x', os.getuid())}\n"
    folder.rmdir()
    (repository.runtime / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(repository.runtime / "elsewhere")
    assert repository.run().stdout == f"cold: {expected.format('lrwxrwxrwx', os.getuid())}\n"
    folder.unlink()
    if os.getuid() == 0:  # only root can give a folder away
        folder.mkdir(mode=0o700)
        os.chown(folder, 12345, 12345)
        assert repository.run().stdout == f"cold: {expected.format('drwx------', 12345)}\n"


def test_a_server_of_another_user_is_not_talked_to(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.warm import client, wire

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(repository.runtime))
    place = Place(str(repository.root))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place.socket)
        listener.listen()
        monkeypatch.setattr(wire, "peer", lambda connection: (1, os.getuid() + 1))
        with pytest.raises(client.ColdError, match=r"^who listens at .* is another user$"):
            client.connect(place)


def test_a_path_too_long_for_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = tmp_path / ("long" * 30)
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    assert Place(str(tmp_path)).folder == f"/tmp/tensorline-{os.getuid()}"  # noqa: S108  as the code has it
    assert list(runtime.iterdir()) == []


def test_variables_that_shape_libraries_must_be_as_they_were(repository: Repository) -> None:
    server = repository.warm_up()
    warm = f"warm: forked from the warm server, process {server}\n"
    assert repository.run(env={"PATH": "/nowhere", "TF_CONFIG": "{}", "ANYTHING": "1"}).stdout == warm
    assert repository.run(env={"TF_ENABLE_ONEDNN_OPTS": "0", "OMP_NUM_THREADS": "secret"}).stdout == (
        "cold: environment variables that are not as when the warm server was started: OMP_NUM_THREADS, "
        "TF_ENABLE_ONEDNN_OPTS\n"
    )
    assert (
        repository.run(preexec_fn=lambda: os.nice(1)).stdout
        == "cold: the priority: other than when the warm server was started\n"
    )
    assert repository.run().stdout == warm


def test_what_libraries_ask_for_by_name_is_noticed() -> None:
    with recording() as asked:
        os.environ.get("ONE")
        os.getenv("TWO", "")
        "THREE" in os.environ  # noqa: B015
        dict(os.environ.items())
        os.environ.copy()
    os.environ.get("FOUR")
    assert asked == {"ONE", "TWO", "THREE"}
    environment = {"ONE": "1", "FOUR": "4", "TF_X": "5", "TF_CONFIG": "6", "PATH": "7"}
    assert shaping(environment, {*asked, "PATH"}) == {"ONE": "1", "TF_X": "5"}


def test_it_is_off_where_it_is_not_wanted(repository: Repository) -> None:
    assert repository.run(env={"TENSORLINE_WARM": "0"}).stdout == "cold: TENSORLINE_WARM=0\n"
    assert repository.run(env={"CI": "true"}).stdout == (
        "cold: in CI (the environment variable CI is set), without TENSORLINE_WARM=1\n"
    )
    assert repository.run(stdin=None, preexec_fn=lambda: os.close(0)).stdout == (
        "cold: standard input, output or error is closed\n"
    )
    assert not (repository.runtime / "tensorline").exists()
    assert repository.run(env={"CI": "true", "TENSORLINE_WARM": "1"}).stdout == STARTING


def test_it_leaves_when_asked_and_lets_its_stages_end(repository: Repository) -> None:
    server = repository.warm_up()
    repository.stage("import time\nprint(how[:4], flush=True)\ntime.sleep(2)\nreturn 3")
    with repository.start() as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "warm\n"
        status = repository.ask("status")
        assert (status["pid"], status["running"], status["leaves_after_s"]) == (server, ["probe"], 300.0)
        assert repository.ask("stop") == {"stages": 1}
        assert repository.ask("status") is None
        assert process.wait(20) == 3
    repository.has_left(server)


def test_it_leaves_when_idle(repository: Repository) -> None:
    (repository.root / "params.yaml").write_text("warm: {idle_s: 0.5}\n")
    server = repository.warm_up()
    repository.has_left(server)
    assert repository.log().endswith(" leaves: idle for 0.5 s (warm.idle_s)\n")


def test_it_leaves_when_its_code_changes_and_another_takes_its_place(repository: Repository) -> None:
    server = repository.warm_up()
    wire = repository.root / "components" / "warm" / "wire.py"
    os.utime(wire, ns=(1, 1))
    done = repository.run()
    assert done.stdout in {"cold: the environment's packages, or the server's own code, have changed\n", STARTING}
    repository.has_left(server)
    assert repository.warm_up() != server


def test_it_leaves_with_its_repository(repository: Repository) -> None:
    server = repository.warm_up()
    repository.root.rename(repository.root.with_name("moved"))
    repository.has_left(server)
    assert re.search(r" leaves: the repository or the socket is gone\n$", repository.log())


def test_installed_packages_have_a_fingerprint(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    (folder / "one-1.0.dist-info").mkdir(parents=True)
    path = [str(tmp_path), str(folder)]
    seen = [fingerprint(path)]
    (folder / "one").mkdir()  # what is not an installer's mark is not looked at
    assert fingerprint(path) == seen[0]
    (folder / "two-1.0.dist-info").mkdir()
    seen.append(fingerprint(path))
    (folder / "one-1.0.dist-info").rename(folder / "one-1.1.dist-info")
    seen.append(fingerprint(path))
    (folder / "_editable.pth").write_text("/elsewhere")
    seen.append(fingerprint(path))
    os.utime(folder / "two-1.0.dist-info", ns=(5, 5))  # installed again
    seen.append(fingerprint(path))
    assert len(set(seen)) == len(seen) == 5


def test_memory_that_a_control_group_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def group(path: str, limit: str, used: int, cached: int) -> None:
        folder = tmp_path / path
        folder.mkdir(parents=True)
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")

    group("slice/scope", "max", 900, 0)
    assert memory.left_of_group("/slice/scope", str(tmp_path)) is None
    group("other/scope", "1000", 900, 300)
    assert memory.left_of_group("/other/scope", str(tmp_path)) == 400
    group("other/scope/inner", "500", 400, 0)
    assert memory.left_of_group("/other/scope/inner", str(tmp_path)) == 100
    monkeypatch.setattr(memory, "left_of_group", lambda own: 123)
    assert memory.available_bytes() == 123


def test_little_memory(repository: Repository) -> None:
    file = repository.root / "components" / "warm" / "memory.py"
    code = file.read_text()
    file.write_text(code.replace("TO_START_BYTES = 4 << 30", "TO_START_BYTES = 1 << 60"))
    assert re.fullmatch(
        r"cold: no warm server is started: \d+\.\d GiB of memory available, 1073741824\.0 GiB needed\n",
        repository.run().stdout,
    )
    file.write_text(code.replace("TO_STAY_BYTES = 1 << 30", "TO_STAY_BYTES = 1 << 60"))
    assert repository.run().stdout == STARTING
    end = time.monotonic() + 20
    while "leaves" not in repository.log():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert re.search(r" leaves: memory is short: \d+\.\d GiB available, 1073741824\.0 GiB needed\n$", repository.log())


def test_imports_that_a_fork_would_break(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "starts_a_thread.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=[1], name='busy').start()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NotForkableError, match=r"^the imports started threads: 1, of Python: busy$"):
        import_all((), ("starts_a_thread",))
    del sys.modules["starts_a_thread"]


def test_a_library_that_is_not_there_is_left_out() -> None:
    code = "from components.warm.libraries import import_all; import_all((), ('no_such_library',))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "left out: No module named 'no_such_library'\n"
    assert not any(name.split(".")[0] in {"components", "recipes", "pipelines"} for name in LIBRARIES)


@pytest.mark.slow
def test_light_stages_are_served_without_tensorflow() -> None:
    code = (
        "import sys; from components.warm.libraries import LIGHT, WITH_THREADS, import_all; import_all(WITH_THREADS, LIGHT);"
        "print(sorted({'tensorflow', 'tfx', 'apache_beam', 'keras'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"  # and none is left out


def test_unsafe_folder_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tensorline").write_text("a file")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(UnsafeFolderError, match="expected a folder of user"):
        Place(str(tmp_path))
    assert is_alive(os.getpid())
