"""`tensorline doctor`: is everything there that Tensorline needs, and if not, what mends it.

It looks, it changes nothing, and it imports nothing heavy, so that it answers within a second.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import click
from packaging.markers import Marker
from rich.console import Console
from rich.table import Table

from components.tracking.redaction import redact

MIN_FREE_BYTES = 2 * 1024**3
"""What the artifacts of the pipelines in git need, with room to spare."""
MAX_SHOWN = 5
"""Packages that a finding names before it only counts them."""
NATIVE_PACKAGES = ("ml-metadata", "tensorflow-data-validation")
"""The packages that scripts/repair_wheels.py may have mended."""
SECRETS = re.compile(
    r"^\s*(access_key_id|secret_access_key|session_token|account_key|connection_string|sas_token|client_secret"
    r"|gdrive_client_secret|gdrive_service_account_json|password|passphrase|token|oss_key_secret)\s*=",
    re.MULTILINE,
)
"""Keys of a DVC remote that hold credentials."""
LOCKED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?: ; (?P<marker>[^\\]+?))? *\\?$", re.MULTILINE)


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        name: What was looked at.
        found: What was found.
        fix: What to do about it; empty when nothing is wrong.
    """

    name: str
    found: str
    fix: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether there is nothing to mend."""
        return not self.fix


def check_python(version: tuple[int, int], prefix: str, base_prefix: str) -> Check:
    """The interpreter's version (major, minor), and that it is an environment's."""
    found = f"{version[0]}.{version[1]}"
    if not (3, 10) <= version < (3, 14):
        return Check("Python", found, "Expected 3.10 to 3.13. Install one and run: make setup PYTHON=/path/to/python3.11")
    if prefix == base_prefix:
        return Check(
            "Python", f"{found}, outside of an environment", "Run it from .venv: make setup, then .venv/bin/tensorline"
        )
    return Check("Python", found)


def check_platform(system: str, machine: str, libc: tuple[str, str]) -> Check:
    """The operating system, the architecture and the C library (name, version)."""
    found = f"{system} {machine}, {libc[0] or 'no glibc'} {libc[1]}".rstrip()
    if (system, machine) != ("Linux", "x86_64"):
        docker = "docker build --platform linux/amd64 -t tensorline ."
        return Check("Platform", found, f"Expected Linux on x86_64, for which TFX has packages. Use the Dockerfile: {docker}")
    if libc[0] != "glibc" or tuple(int(part) for part in libc[1].split(".")[:2]) < (2, 34):
        return Check(
            "Platform", found, "Expected glibc 2.34 or later: Debian 12, Ubuntu 22.04, RHEL 9, or use the Dockerfile."
        )
    return Check("Platform", found)


def check_processor(cpuinfo: str) -> Check:
    """The instructions that TensorFlow's packages are compiled for; `cpuinfo` is the text of /proc/cpuinfo."""
    if re.search(r"^flags\s*:.*\bavx\b", cpuinfo, re.MULTILINE):
        return Check("Processor", "has AVX")
    return Check("Processor", "has no AVX", "TensorFlow needs it. In a virtual machine, pass the host's processor through.")


def check_disk(free_bytes: int) -> Check:
    """The room that is left beside the repository."""
    found = f"{free_bytes / 1024**3:.1f} GiB free"
    if free_bytes < MIN_FREE_BYTES:
        fix = (
            f"Expected {MIN_FREE_BYTES / 1024**3:.0f} GiB. Make room; 'dvc gc --workspace' drops artifacts that nothing uses."
        )
        return Check("Disk", found, fix)
    return Check("Disk", found)


def check_packages(lock: Path, installed: Mapping[str, str]) -> Check:
    """The installed packages (normalised name → version) against the lock; markers are those of this Python."""
    if not lock.is_file():
        return Check("Packages", f"no {lock.name}", "Run it from the repository's root, or bring it back: git checkout -- .")
    wanted = {
        match["name"]: match["version"]
        for match in LOCKED.finditer(lock.read_text(encoding="utf-8"))
        if match["marker"] is None or Marker(match["marker"]).evaluate()
    }
    wrong = [
        f"{name} {installed.get(name, 'missing')}, not {version}"
        for name, version in sorted(wanted.items())
        if installed.get(name) != version
    ]
    if not wrong:
        return Check("Packages", f"{len(wanted)} as in {lock.name}")
    more = f"; and {len(wrong) - MAX_SHOWN} more" if len(wrong) > MAX_SHOWN else ""
    return Check("Packages", "; ".join(wrong[:MAX_SHOWN]) + more, "Make the environment anew: rm -rf .venv && make setup")


def check_native(name: str) -> Check:
    """That the system's loader takes the extension modules of the distribution `name`; they are not imported."""
    check = f"Library {name}"
    fix = "Make the environment anew: rm -rf .venv && make setup"
    try:
        files = metadata.files(name)
    except metadata.PackageNotFoundError:
        return Check(check, "not installed", fix)
    for file in files or ():
        if file.suffix == ".so":
            try:
                ctypes.CDLL(str(file.locate()), mode=os.RTLD_NOW)
            except OSError as error:
                return Check(check, f"does not load: {error}", fix)
    return Check(check, "loads")


def check_git(root: Path) -> Check:
    """That git is there and `root` a checkout with a commit, which every run records."""
    if shutil.which("git") is None:
        return Check("git", "not on PATH", "Install it (Debian, Ubuntu: apt install git).")
    answer = subprocess.run(
        ["git", "rev-parse", "--show-toplevel", "--short", "HEAD"],
        cwd=root,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    start = "git init && git add . && git commit -m 'Import Tensorline'"
    if "dubious ownership" in answer.stderr:
        return Check("git", "the folder is another user's", f"git config --global --add safe.directory '{root}'")
    if "not a git repository" in answer.stderr:
        return Check("git", "no checkout", f"Clone the repository; or: {start}")
    top, *commit = answer.stdout.splitlines()
    if Path(top).resolve() != root.resolve():
        return Check("git", f"only the checkout around it, {top}", f"Clone the repository; or: {start}")
    if answer.returncode:
        return Check("git", "no commit yet", "git add . && git commit -m 'Import Tensorline'")
    return Check("git", f"commit {commit[0]}")


def check_dvc(root: Path) -> Check:
    """That DVC is set up in `root`, and where it pushes to."""
    from dvc.config import Config, ConfigError

    config = root / ".dvc" / "config"
    if not config.is_file():
        return Check("DVC", "no .dvc/config", "Run it from the repository's root, or bring it back: git checkout -- .dvc")
    if secrets := sorted(set(SECRETS.findall(config.read_text(encoding="utf-8")))):
        found = f"credentials in .dvc/config, which git keeps for all to read: {', '.join(secrets)}"
        fix = "Take them out and renew them; then: dvc remote modify --local NAME KEY VALUE, or see docs/remotes.md"
        return Check("DVC", found, fix)
    try:
        settings = Config(str(config.parent))
    except ConfigError as error:
        return Check("DVC", " ".join(str(error).split()), "Mend .dvc/config, or bring it back: git checkout -- .dvc/config")
    name = settings["core"].get("remote")
    if name is None:
        return Check("DVC", "set up, without a remote")
    url = redact(str(settings["remote"].get(name, {}).get("url", "")))
    if not url:
        return Check("DVC", f"no remote is called '{name}'", f"dvc remote add {name} URL, or see docs/remotes.md")
    empty = "" if "://" in url or Path(url).exists() else ", nothing pushed yet"
    return Check("DVC", f"remote {name}: {url}{empty}")


def check_server(uri: str) -> Check:
    """The MLflow store that MLFLOW_TRACKING_URI names: that a server answers; a database is only named."""
    shown = redact(uri)
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"}:
        return Check("MLflow store", shown)
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=f"{parts.path.rstrip('/')}/health").geturl()
    try:
        urllib.request.urlopen(address, timeout=5).close()  # noqa: S310  http or https
    except urllib.error.HTTPError as error:
        if error.code >= 500:  # others come of servers that want a login, or have no such page
            return Check("MLflow store", f"{shown} answers with status {error.code}", "Ask who runs the server.")
    except OSError as error:
        fix = "Start the server, or mend MLFLOW_TRACKING_URI; to work without it: unset MLFLOW_TRACKING_URI"
        return Check("MLflow store", f"{shown} does not answer: {getattr(error, 'reason', error)}", fix)
    return Check("MLflow store", f"{shown} answers")


def check_store(store: Path) -> Check:
    """The folder of the MLflow store: writable, and its database whole if there is one."""
    if not os.access(store, os.W_OK | os.X_OK):
        found = "not writable" if store.exists() else "missing"
        fix = f"chmod u+rwx '{store}'" if store.exists() else f"mkdir '{store}'"
        return Check("MLflow store", f"{store.name}/ is {found}", fix)
    database = store / "mlflow.db"
    if not database.exists():
        return Check("MLflow store", "empty so far")
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict == "ok":
                (num_runs,) = connection.execute("SELECT count(*) FROM runs").fetchone()
                return Check("MLflow store", f"{num_runs} runs")
    except sqlite3.Error as error:
        verdict = str(error)
    fix = f"Bring {store.name}/ back from a backup, or set it aside and start afresh: mv '{database}' '{database}.broken'"
    return Check("MLflow store", f"{store.name}/{database.name}: {verdict}", fix)


def checks(root: Path) -> list[Check]:
    """Everything that is looked at, for the repository in `root`, in the order in which it is told."""
    installed = {re.sub(r"[-_.]+", "-", item.name).lower(): item.version for item in metadata.distributions()}
    cpuinfo = Path("/proc/cpuinfo")
    return [
        check_python(sys.version_info[:2], sys.prefix, sys.base_prefix),
        check_platform(platform.system(), platform.machine(), platform.libc_ver()),
        check_processor(cpuinfo.read_text() if cpuinfo.exists() else ""),
        check_disk(shutil.disk_usage(root).free),
        check_packages(root / "requirements.lock", installed),
        *(check_native(name) for name in NATIVE_PACKAGES),
        check_git(root),
        check_dvc(root),
        check_server(uri) if (uri := os.environ.get("MLFLOW_TRACKING_URI")) else check_store(root / "mlruns"),
    ]


def show(results: list[Check], write: Callable[..., None]) -> None:
    """Tells the results as a table, then each fix on a line of its own, so that it can be copied."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for result in results:
        mark = "[green]ok[/]" if result.is_ok else "[red]mend[/]"
        table.add_row(mark, result.name, result.found.replace("[", r"\["))
    write(table)
    for result in results:
        if not result.is_ok:
            write(f"{result.name}: {result.fix}", markup=False, soft_wrap=True)


@click.command("doctor")
def command() -> None:
    """Check this machine and clone; every failure names its fix."""
    results = checks(Path.cwd())
    show(results, Console(highlight=False).print)
    sys.exit(0 if all(result.is_ok for result in results) else 1)
