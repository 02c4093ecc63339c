"""A server from its start to its graceful end."""

from __future__ import annotations

import errno
import gc
import ipaddress
import math
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from components.errors import TensorlineError, UserError
from components.serve.app import Application, Policy
from components.serve.batching import Batcher
from components.serve.keeper import Keeper, Source
from components.serve.limits import TokenBucket
from components.serve.metrics import Metrics
from components.serve.request_log import RequestLog

_SWITCH_INTERVAL_S = 0.001
_START_WITHIN_S = 30.0
_KEEP_ALIVE_S = 75  # longer than proxies keep theirs, so that none sends a request as the connection ends


@dataclass(frozen=True)
class Settings:
    """How a server serves.

    Attributes:
        num_threads: That call the model.
        most_rows: Of one call.
        wait_s: How long a batch waits for company.
        most_waiting: Rows that may wait for a thread.
        poll_s: How often the registry is asked for the champion; 0 for never.
        most_body_bytes: Of a request.
        rate: Requests a second that are let through; None for any number.
        burst: How many may come at once after a pause.
        reject_anomalies: Whether values that the schema does not expect are refused.
        log_sample: The share of rows that is logged.
        log_bytes: What the log may take.
        grace_s: How long requests in flight may take once the server shall stop.
    """

    num_threads: int = 2
    most_rows: int = 1024
    wait_s: float = 0.001
    most_waiting: int = 65_536
    poll_s: float = 5.0
    most_body_bytes: int = 32 << 20
    rate: float | None = None
    burst: float = 1.0
    reject_anomalies: bool = False
    log_sample: float = 0.0
    log_bytes: int = 256 << 20
    grace_s: float = 30.0


def bind(host: str, port: int) -> socket.socket:
    """A socket that has the address to itself; port 0 takes a free one.

    Raises: UserError if it can't be had.
    """
    try:
        ((family, kind, protocol, _, address), *_) = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise UserError(f"--host {host}: {error.strerror}. Expected an address of this machine, as 127.0.0.1.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"--port {port}: another program listens on {host}:{port}. Choose another: --port N.") from None
        raise UserError(f"--host {host} --port {port}: {error.strerror}. Expected an address of this machine.") from None
    return listener


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_of(listener: socket.socket) -> str:
    """Of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def serving(
    source: Source, listener: socket.socket, settings: Settings, log_folder: Path, *, fixed: bool = False
) -> Iterator[Keeper]:
    """Serves while the block runs; then finishes what is in flight, and stops.

    Args:
        source: Of versions.
        listener: As `bind` gives it; closed in the end.
        settings: How.
        log_folder: Of the request log.
        fixed: Whether the source gives one version whatever the champion is.

    Raises: TensorlineError if there is nothing to serve, or the server does not start.
    """
    with ExitStack() as stack:
        stack.callback(listener.close)
        metrics = Metrics()
        wanted = source.wanted()
        stack.callback(_freeze())
        keeper = Keeper(source, source.load(wanted), settings.poll_s, metrics)
        batcher = Batcher(settings.num_threads, settings.most_rows, settings.wait_s, settings.most_waiting, metrics)
        stack.callback(batcher.close)
        log = None
        if settings.log_sample:
            log = RequestLog(log_folder, settings.log_sample, settings.log_bytes, metrics)
            stack.callback(log.close)
        limit = TokenBucket(settings.rate, settings.burst) if settings.rate is not None else None
        policy = Policy(settings.most_body_bytes, settings.reject_anomalies)
        application = Application(keeper, batcher, metrics, policy, limit, log, fixed=fixed)
        if settings.poll_s and not fixed:
            keeper.start()
            stack.callback(keeper.stop)
        # The champion is loaded by Python code beside that which answers: threads give way to each other more often than the
        # usual 5 ms, or every request waits so long at each of its steps.
        before = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        stack.callback(sys.setswitchinterval, before)
        stack.callback(_start(application, listener, settings.grace_s))
        yield keeper


def _freeze() -> Callable[[], None]:
    """Takes what the libraries made out of the garbage collector's sight; the function that is returned undoes it.

    TensorFlow and MLflow make a million objects that stay. To look through them takes half a second, in which no request is
    answered, and loading a model has the collector do so.
    """
    import tensorflow as tf

    tf.constant(0.0)  # starts the runtime
    gc.collect()
    gc.freeze()
    return gc.unfreeze


def _start(application: Application, listener: socket.socket, grace_s: float) -> Callable[[], None]:
    """Starts a server in a thread; the function that is returned stops it."""
    config = uvicorn.Config(
        application.asgi,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(grace_s),
    )
    server = uvicorn.Server(config)
    # In a thread, uvicorn leaves signals to us: its own way ends the process by the signal, not with 0.
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="server", daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_WITHIN_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise TensorlineError(f"the server does not start on {url_of(listener)}; see above")
        time.sleep(0.01)

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return stop


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, instead of ending the process."""
    event = threading.Event()

    def handle(number: int, frame: Any) -> None:
        event.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
