"""`tensorline serve`: latency of single rows, rows a second in batches, and a switch of the champion under load.

Not part of `make bench`: `python -m benchmarks.serve [NAME] [--seconds S]` after the pipeline was built. It asks a server in a
process of its own, over loopback; the versions are copies of the pipeline's model in a store of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_START = "import sys; from components.cli import main; sys.exit(main())"


@dataclass
class Answers:
    """What came back.

    Attributes:
        latencies_s: From the moment when a request should have been sent, in order.
        errors: Of the requests that were not answered with 200, what came instead.
        bodies: Bodies of the others.
    """

    latencies_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def quantile_ms(self, share: float) -> float:
        """By nearest rank."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Client:
    """Connections that are kept open, one request at a time on each; as lean as can be, since it shares the processors."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body."""
        reader, writer = await self._connection()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        length = next(int(line.removeprefix("content-length:")) for line in lines if line.startswith("content-length:"))
        answer = await reader.readexactly(length)
        self._idle.append((reader, writer))
        return int(lines[0].split()[1]), answer

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)

    def close(self) -> None:
        """Ends all connections."""
        for _, writer in self._idle:
            writer.close()


async def open_loop(port: int, path: str, bodies: Sequence[bytes], rate: float, seconds: float) -> Answers:
    """Asks `rate` times a second, whether or not earlier requests were answered, as strangers do.

    A latency counts from the moment when the request was due: a server that stalls is not spared what comes meanwhile.
    """
    client, answers = Client(port), Answers()
    start = time.perf_counter()

    async def one(number: int) -> None:
        due = start + number / rate
        await asyncio.sleep(due - time.perf_counter())
        await _ask(client, answers, path, bodies[number % len(bodies)], due)

    await asyncio.gather(*(one(number) for number in range(int(rate * seconds))))
    client.close()
    return answers


async def closed_loop(port: int, path: str, bodies: Sequence[bytes], num_clients: int, seconds: float) -> Answers:
    """Each of `num_clients` asks anew as soon as it is answered."""
    client, answers = Client(port), Answers()
    end = time.perf_counter() + seconds

    async def one(first: int) -> None:
        number = first
        while time.perf_counter() < end:
            await _ask(client, answers, path, bodies[number % len(bodies)], time.perf_counter())
            number += num_clients

    await asyncio.gather(*(one(number) for number in range(num_clients)))
    client.close()
    return answers


async def _ask(client: Client, answers: Answers, path: str, body: bytes, since: float) -> None:
    try:
        status, answer = await client.post(path, body)
    except (OSError, asyncio.IncompleteReadError) as error:
        answers.errors.append(repr(error))
        return
    answers.latencies_s.append(time.perf_counter() - since)
    if status == 200:
        answers.bodies.append(answer)
    else:
        answers.errors.append(f"{status} {answer.decode()}")


@contextmanager
def server(name: str, root: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[int]:
    """A server in a process of its own, on a free port, which is yielded; in the end it must stop as it should."""
    command = [sys.executable, "-c", _START, "serve", name, "--port", "0", *options]
    paths = {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=root, env={**os.environ, **paths, **(environment or {})}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101
        line = process.stdout.readline()
        if "http://" not in line:
            raise RuntimeError(f"the server did not start: exit code {process.wait()}")
        yield int(line.split("http://127.0.0.1:")[1].split("/")[0])
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    if code:
        raise RuntimeError(f"the server left with {code}")


def rows_of(name: str, count: int) -> list[dict[str, Any]]:
    """Raw columns of the pipeline's test examples, as JSON has them, over and over."""
    import tensorflow as tf

    from components.examples_table import read_serialized
    from components.predict.model import Model

    folder = ROOT / "artifacts" / name
    inputs = Model(folder / "model").inputs
    examples = [record for batch in read_serialized(folder / "examples", "test") for record in batch][:count]
    rows = []
    for example in examples:
        features = tf.train.Example.FromString(example).features.feature
        row: dict[str, Any] = {}
        for column in inputs:
            found = features[column]
            values = [*found.int64_list.value, *found.float_list.value, *(text.decode() for text in found.bytes_list.value)]
            row[column] = values[0] if values else None
        rows.append(row)
    return [rows[number % len(rows)] for number in range(count)]


def make_store(name: str, folder: Path) -> tuple[str, Callable[[], None]]:
    """The address of a store with two versions of the pipeline's model, the first champion, and what makes the second so."""
    from components.tracking.moves import move_champion
    from components.tracking.registry import Candidate, register_candidate
    from components.tracking.store import Store, sqlite_uri

    store = Store(sqlite_uri(folder / "mlflow.db"))
    for digest, promote, before in (("d1", True, None), ("d2", False, "d1")):
        model = folder / digest / "model"
        shutil.copytree(ROOT / "artifacts" / name / "model", model)
        register_candidate(store, Candidate(name, name, model, digest, promote, "benchmark", {}, before, ""))

    def switch() -> None:
        move_champion(store, name, "promote", "2", "benchmark")

    return store.uri, switch


async def _switch_under_load(port: int, path: str, bodies: Sequence[bytes], switch: Callable[[], None]) -> Answers:
    """50 requests a second for 25 s; the champion moves after 3 s."""
    moved = asyncio.create_task(_later(3.0, switch))
    answers = await open_loop(port, path, bodies, 50.0, 25.0)
    await moved
    return answers


async def _later(seconds: float, action: Callable[[], None]) -> None:
    await asyncio.sleep(seconds)
    await asyncio.to_thread(action)


def measure(name: str, seconds: float) -> dict[str, Any]:
    """All three; prints as it goes."""
    from components.environment import prepare

    prepare()
    rows = rows_of(name, 4096)
    single = [json.dumps({"instances": [row]}).encode() for row in rows[:500]]
    batches = [json.dumps({"instances": rows[start : start + 256]}).encode() for start in range(0, 4096, 256)]
    columns = [
        json.dumps({"inputs": {key: [row[key] for row in rows[start : start + 1024]] for key in rows[0]}}).encode()
        for start in range(0, 4096, 1024)
    ]
    path = f"/v1/models/{name}:predict"
    results: dict[str, Any] = {"pipeline": name, "cores": os.cpu_count(), "load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as scratch:
        uri, switch = make_store(name, Path(scratch))
        with server(name, ROOT, "--poll", "1", environment={"MLFLOW_TRACKING_URI": uri}) as port:

            def timed(work: Coroutine[Any, Any, Answers]) -> tuple[Answers, dict[str, Any]]:
                before = cpu_seconds(port)
                answers = asyncio.run(work)
                spent_ms = 1000 * (cpu_seconds(port) - before) / len(answers.latencies_s)
                return answers, {**_latencies(answers), "server_cpu_ms_a_request": round(spent_ms, 2)}

            timed(open_loop(port, path, single, 50.0, 2.0))  # connections, caches
            _, results["single_50_a_second"] = timed(open_loop(port, path, single, 50.0, seconds))
            for what, bodies, num_rows, clients in (
                ("single_rows_32_clients", single, 1, 32),
                ("256_rows_by_instances_4_clients", batches, 256, 4),
                ("1024_rows_by_columns_2_clients", columns, 1024, 2),
            ):
                answers, results[what] = timed(closed_loop(port, path, bodies, clients, seconds / 2))
                results[what]["rows_a_second"] = round(num_rows * len(answers.bodies) / (seconds / 2))
            _, results["switch_under_50_a_second"] = timed(_switch_under_load(port, path, single, switch))
    return results


def cpu_seconds(port: int) -> float:
    """Of the server's process, user and system together: what a busy machine does not change."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        lines = response.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("process_cpu_seconds_total "))


def _latencies(answers: Answers) -> dict[str, Any]:
    return {
        "requests": len(answers.latencies_s),
        "errors": len(answers.errors),
        "first_errors": answers.errors[:3],
        "mean_ms": round(1000 * statistics.fmean(answers.latencies_s), 2),
        **{f"p{100 * share:g}_ms": round(answers.quantile_ms(share), 2) for share in (0.5, 0.9, 0.99, 0.999)},
    }


def main() -> int:
    """Returns the exit code: 1 if a request went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="taxi")
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    results = measure(arguments.name, arguments.seconds)
    print(json.dumps(results, indent=1))
    path = Path(__file__).with_name("results_serve.json")
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return int(any(isinstance(each, dict) and each["errors"] for each in results.values()))


if __name__ == "__main__":
    sys.exit(main())
