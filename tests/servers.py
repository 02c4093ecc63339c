"""Real servers on the loopback interface, for the tests of remotes: S3's protocol, PostgreSQL, MLflow."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SECRET = "s3cret-of-the-tests"  # noqa: S105  of no server but these
"""The secret key of S3; nothing may write it to a file that git or a run keeps."""
_START_S = 120.0
# The jobs are those of MLflow's pages for language models: seven more processes.
_SERVER_ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONUTF8": "1"}


@dataclass(frozen=True)
class S3:
    """A server that speaks S3's protocol.

    Attributes:
        endpoint: Its address.
        bucket: A bucket that is there.
    """

    endpoint: str
    bucket: str

    def environment(self) -> dict[str, str]:
        """What AWS's clients read, before any file of this machine's user."""
        return {
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def keys(self, prefix: str) -> list[str]:
        """The names of the objects that begin with `prefix`."""
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="tests",
            aws_secret_access_key=SECRET,
        )
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]


@contextmanager
def s3_server(bucket: str = "team") -> Iterator[S3]:
    """Serves an empty bucket from memory."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it would tell of every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        s3 = S3(f"http://{host}:{port}", bucket)
        boto3.client(
            "s3",
            endpoint_url=s3.endpoint,
            region_name="us-east-1",
            aws_access_key_id="tests",
            aws_secret_access_key=SECRET,
        ).create_bucket(Bucket=bucket)
        yield s3
    finally:
        server.stop()


@contextmanager
def postgresql() -> Iterator[str]:
    """Serves an empty database through a Unix socket, to this machine alone; yields its address for SQLAlchemy.

    The test is skipped where PostgreSQL is not installed, or can't be started: it refuses to run as root, so root needs the
    unprivileged user `nobody`.
    """
    programs = _postgresql_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian, Ubuntu: apt install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has at most 107 characters; not under pytest's own
    identity: dict[str, int] = {}
    if os.getuid() == 0:
        os.chown(folder, 65534, 65534)
        identity = {"user": 65534, "group": 65534}

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [programs / program, *arguments],
            cwd=folder,
            env={**os.environ, "LC_ALL": "C", "HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=(log := (folder / "commands.log").open("a")),
            stderr=log,
            text=True,
            check=False,
            extra_groups=[] if identity else None,
            **identity,
        )

    data = folder / "data"
    try:
        if run("initdb", "--pgdata", str(data), "--username", "mlflow", "--auth", "trust", "--no-sync").returncode:
            pytest.skip(f"PostgreSQL can't be set up here: {(folder / 'commands.log').read_text()[-500:]}")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=50"
        started = run("pg_ctl", "start", "--pgdata", str(data), "--wait", "--log", str(folder / "log"), "--options", options)
        if started.returncode:
            pytest.skip(f"PostgreSQL can't be started here: {(folder / 'log').read_text()[-500:]}")
        try:
            yield f"postgresql+psycopg2://mlflow@/postgres?host={folder}"
        finally:
            run("pg_ctl", "stop", "--pgdata", str(data), "--mode", "immediate", "--wait")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgresql_programs() -> Path | None:
    """The folder of initdb and pg_ctl; Debian keeps them off PATH."""
    on_path = shutil.which("pg_ctl")
    folders = [*([Path(on_path).parent] if on_path else []), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    for folder in folders:
        if all((folder / name).exists() for name in ("initdb", "pg_ctl", "postgres")):
            return folder
    return None


@contextmanager
def mlflow_server(folder: Path, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """`mlflow server` with further `options`, two workers, run in `folder`; yields its address."""
    log = folder / "mlflow-server.log"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "AWS_"))}
    serve = ["--host", "127.0.0.1", "--port", str(port), "--workers", "2"]
    command = [sys.executable, "-m", "mlflow", "server", *serve, *options]
    with log.open("w") as out:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**kept, **_SERVER_ENVIRONMENT, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, process, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):  # noqa: S310  http, on the loopback interface
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"mlflow server does not answer: {log.read_text(encoding='utf-8')[-3000:]}")
