"""The doctor's findings and fixes, word for word."""

from __future__ import annotations

import http.server
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from components.cli import doctor
from components.cli.doctor import Check

ANEW = "Make the environment anew: rm -rf .venv && make setup"
LOCK = """\
# made by: make lock
numpy==2.2.6 ; python_full_version < '3.9' \\
    --hash=sha256:00
numpy==2.4.6 ; python_full_version >= '3.9' \\
    --hash=sha256:01
    # via pandas
zc-lockfile==4.0 \\
    --hash=sha256:02
"""


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("version", "prefix", "expected"),
    [
        ((3, 10), "/clone/.venv", Check("Python", "3.10")),
        ((3, 13), "/clone/.venv", Check("Python", "3.13")),
        (
            (3, 14),
            "/clone/.venv",
            Check("Python", "3.14", "Expected 3.10 to 3.13. Install one and run: make setup PYTHON=/path/to/python3.11"),
        ),
        (
            (3, 11),
            "/usr",
            Check("Python", "3.11, outside of an environment", "Run it from .venv: make setup, then .venv/bin/tensorline"),
        ),
    ],
)
def test_python(version: tuple[int, int], prefix: str, expected: Check) -> None:
    assert doctor.check_python(version, prefix, "/usr") == expected


OLD_GLIBC = "Expected glibc 2.34 or later: Debian 12, Ubuntu 22.04, RHEL 9, or use the Dockerfile."


@pytest.mark.parametrize(
    ("system", "machine", "libc", "expected"),
    [
        ("Linux", "x86_64", ("glibc", "2.36"), Check("Platform", "Linux x86_64, glibc 2.36")),
        ("Linux", "x86_64", ("glibc", "2.31"), Check("Platform", "Linux x86_64, glibc 2.31", OLD_GLIBC)),
        ("Linux", "x86_64", ("", ""), Check("Platform", "Linux x86_64, no glibc", OLD_GLIBC)),
        (
            "Darwin",
            "arm64",
            ("", ""),
            Check(
                "Platform",
                "Darwin arm64, no glibc",
                "Expected Linux on x86_64, for which TFX has packages. "
                "Use the Dockerfile: docker build --platform linux/amd64 -t tensorline .",
            ),
        ),
    ],
)
def test_platform(system: str, machine: str, libc: tuple[str, str], expected: Check) -> None:
    assert doctor.check_platform(system, machine, libc) == expected


def test_processor() -> None:
    assert doctor.check_processor("model name\t: x\nflags\t\t: fpu sse4_2 avx f16c\n") == Check("Processor", "has AVX")
    assert doctor.check_processor("model name\t: avx\nflags\t\t: fpu sse4_2\n") == Check(
        "Processor", "has no AVX", "TensorFlow needs it. In a virtual machine, pass the host's processor through."
    )


def test_disk() -> None:
    assert doctor.check_disk(5 * 1024**3) == Check("Disk", "5.0 GiB free")
    assert doctor.check_disk(1536 * 1024**2) == Check(
        "Disk", "1.5 GiB free", "Expected 2 GiB. Make room; 'dvc gc --workspace' drops artifacts that nothing uses."
    )


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ({"numpy": "2.4.6", "zc-lockfile": "4.0", "extra": "1"}, Check("Packages", "2 as in requirements.lock")),
        (
            {"numpy": "2.2.6"},
            Check("Packages", "numpy 2.2.6, not 2.4.6; zc-lockfile missing, not 4.0", ANEW),
        ),
    ],
)
def test_packages(tmp_path: Path, installed: dict[str, str], expected: Check) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(LOCK)
    assert doctor.check_packages(lock, installed) == expected


def test_packages_names_five_and_counts_the_rest(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("".join(f"p{number}==1 \\\n    --hash=sha256:00\n" for number in range(7)))
    wrong = "; ".join(f"p{number} missing, not 1" for number in range(5))
    assert doctor.check_packages(lock, {}) == Check("Packages", f"{wrong}; and 2 more", ANEW)


def test_packages_without_a_lock(tmp_path: Path) -> None:
    assert doctor.check_packages(tmp_path / "requirements.lock", {}) == Check(
        "Packages", "no requirements.lock", "Run it from the repository's root, or bring it back: git checkout -- ."
    )


@pytest.mark.parametrize("name", doctor.NATIVE_PACKAGES)
def test_native_packages_load_without_tensorflow(name: str) -> None:
    code = (
        "import sys; from components.cli.doctor import check_native; "
        f"print(check_native({name!r})); print('tensorflow' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == f"{Check(f'Library {name}', 'loads')}\nFalse\n"


def test_native_package_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.so").write_text("no library")
    (tmp_path / "broken-1.dist-info").mkdir()
    (tmp_path / "broken-1.dist-info" / "METADATA").write_text("Name: broken\nVersion: 1\n")
    (tmp_path / "broken-1.dist-info" / "RECORD").write_text("broken.so,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = f"does not load: {tmp_path / 'broken.so'}: file too short"
    assert doctor.check_native("broken") == Check("Library broken", found, ANEW)
    assert doctor.check_native("no-such-package") == Check("Library no-such-package", "not installed", ANEW)


def test_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert doctor.check_git(tmp_path) == Check(
        "git", "no checkout", "Clone the repository; or: git init && git add . && git commit -m 'Import Tensorline'"
    )
    git(tmp_path, "init")
    assert doctor.check_git(tmp_path) == Check("git", "no commit yet", "git add . && git commit -m 'Import Tensorline'")
    git(tmp_path, "commit", "--allow-empty", "--message", "first")
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert doctor.check_git(tmp_path) == Check("git", f"commit {head.stdout.strip()}")
    inner = tmp_path / "inner"
    inner.mkdir()
    assert doctor.check_git(inner) == Check(
        "git",
        f"only the checkout around it, {tmp_path}",
        "Clone the repository; or: git init && git add . && git commit -m 'Import Tensorline'",
    )
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert doctor.check_git(tmp_path) == Check(
        "git", "the folder is another user's", f"git config --global --add safe.directory '{tmp_path}'"
    )
    monkeypatch.setenv("PATH", "")
    assert doctor.check_git(tmp_path) == Check("git", "not on PATH", "Install it (Debian, Ubuntu: apt install git).")


def test_dvc(tmp_path: Path) -> None:
    assert doctor.check_dvc(tmp_path) == Check(
        "DVC", "no .dvc/config", "Run it from the repository's root, or bring it back: git checkout -- .dvc"
    )
    root = tmp_path / "clone"
    (root / ".dvc").mkdir(parents=True)
    config = root / ".dvc" / "config"

    def check(text: str) -> Check:
        config.write_text(text)
        return doctor.check_dvc(root)

    assert check("") == Check("DVC", "set up, without a remote")
    near = "[core]\n    remote = local\n['remote \"local\"']\n    url = ../../pushed\n"
    assert check(near) == Check("DVC", f"remote local: {tmp_path}/pushed, nothing pushed yet")
    (tmp_path / "pushed").mkdir()
    assert check(near) == Check("DVC", f"remote local: {tmp_path}/pushed")
    (root / ".dvc" / "config.local").write_text("['remote \"local\"']\n    url = s3://team/dvc\n    secret_access_key = x\n")
    assert check(near) == Check("DVC", "remote local: s3://team/dvc")
    other = near.replace("remote = local", "remote = team")
    assert check(other) == Check("DVC", "no remote is called 'team'", "dvc remote add team URL, or see docs/remotes.md")
    assert check(f"{near}    secret_access_key = x\n    access_key_id = y\n") == Check(
        "DVC",
        "credentials in .dvc/config, which git keeps for all to read: access_key_id, secret_access_key",
        "Take them out and renew them; then: dvc remote modify --local NAME KEY VALUE, or see docs/remotes.md",
    )
    assert check("[core]\n    remotes = x\n").fix == "Mend .dvc/config, or bring it back: git checkout -- .dvc/config"


def test_the_clones_own_remote_is_a_folder_beside_it() -> None:
    root = Path(__file__).parents[3]
    assert (
        doctor.check_dvc(root).found.removesuffix(", nothing pushed yet") == f"remote local: {root.parent}/tensorline-remote"
    )


def test_server() -> None:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response({"/health": 200, "/closed/health": 401, "/broken/health": 502}[self.path])
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_port
        uri = f"http://127.0.0.1:{port}"
        assert doctor.check_server(uri) == Check("MLflow store", f"{uri} answers")
        assert doctor.check_server(f"{uri}/closed/") == Check("MLflow store", f"{uri}/closed/ answers")
        broken = Check("MLflow store", f"{uri}/broken answers with status 502", "Ask who runs the server.")
        assert doctor.check_server(f"{uri}/broken") == broken
        server.shutdown()
    assert doctor.check_server(f"http://ann:hunter2@127.0.0.1:{port}") == Check(
        "MLflow store",
        f"http://***@127.0.0.1:{port} does not answer: [Errno 111] Connection refused",
        "Start the server, or mend MLFLOW_TRACKING_URI; to work without it: unset MLFLOW_TRACKING_URI",
    )
    assert doctor.check_server("postgresql://ann:hunter2@db/mlflow") == Check("MLflow store", "postgresql://***@db/mlflow")


def test_store(tmp_path: Path) -> None:
    store = tmp_path / "ein Ordner #1 ü" / "mlruns"
    assert doctor.check_store(store) == Check("MLflow store", "mlruns/ is missing", f"mkdir '{store}'")
    store.mkdir(parents=True)
    assert doctor.check_store(store) == Check("MLflow store", "empty so far")
    with sqlite3.connect(store / "mlflow.db") as connection:
        connection.execute("CREATE TABLE runs (run_uuid TEXT)")
        connection.execute("INSERT INTO runs VALUES ('a')")
    connection.close()
    assert doctor.check_store(store) == Check("MLflow store", "1 runs")


def test_store_that_is_broken(tmp_path: Path) -> None:
    database = tmp_path / "mlruns" / "mlflow.db"
    database.parent.mkdir()
    database.write_text("no database at all, but long enough to be taken for one" * 20)
    assert doctor.check_store(database.parent) == Check(
        "MLflow store",
        "mlruns/mlflow.db: file is not a database",
        f"Bring mlruns/ back from a backup, or set it aside and start afresh: mv '{database}' '{database}.broken'",
    )


def test_show_keeps_each_fix_on_one_line() -> None:
    console = Console(width=40, record=True, highlight=False, color_system=None)
    fix = "Bring the file back from a backup, or set it aside: mv 'a b' 'a b.broken'"
    with console.capture() as capture:
        doctor.show([Check("DVC", "set up"), Check("Packages", "[x] missing", fix)], console.print)
    assert capture.get().splitlines()[-1] == f"Packages: {fix}"
    assert [line.rstrip() for line in capture.get().splitlines()[:2]] == [
        "ok    DVC       set up",
        "mend  Packages  [x] missing",
    ]


@pytest.mark.parametrize(("fix", "exit_code"), [("", 0), ("Mend it.", 1)])
def test_command_tells_by_its_exit_code(monkeypatch: pytest.MonkeyPatch, fix: str, exit_code: int) -> None:
    monkeypatch.setattr(doctor, "checks", lambda root: [Check("DVC", "looked at", fix)])
    assert CliRunner().invoke(doctor.command).exit_code == exit_code


def test_every_check_is_made(tmp_path: Path) -> None:
    assert [check.name for check in doctor.checks(tmp_path)] == [
        "Python",
        "Platform",
        "Processor",
        "Disk",
        "Packages",
        "Library ml-metadata",
        "Library tensorflow-data-validation",
        "git",
        "DVC",
        "MLflow store",
    ]


def test_store_that_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)  # root may write anywhere, whatever the mode says
    assert doctor.check_store(tmp_path) == Check(
        "MLflow store", f"{tmp_path.name}/ is not writable", f"chmod u+rwx '{tmp_path}'"
    )
