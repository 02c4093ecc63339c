"""`tensorline serve NAME`: the champion over HTTP."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click


@click.command("serve", context_settings={"show_default": True})
@click.argument("name")
@click.option("--host", default="127.0.0.1", help="Address to listen on; only this machine reaches the default.")
@click.option("--port", default=8501, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--version", metavar="N", help="Serve this version of the registered model, not the champion.")
@click.option(
    "--poll", default=5.0, type=click.FloatRange(0), metavar="SECONDS", help="How often to look for a new champion; 0: never."
)
@click.option("--threads", default=2, type=click.IntRange(1), help="That call the model.")
@click.option("--batch-rows", default=1024, type=click.IntRange(1), help="At most, in one call of the model.")
@click.option("--batch-wait", default=1.0, type=click.FloatRange(0), metavar="MS", help="How long a batch waits for company.")
@click.option("--queue-rows", default=65_536, type=click.IntRange(1), help="That may wait for the model; beyond: 503.")
@click.option("--max-body", default=32.0, type=click.FloatRange(0, min_open=True), metavar="MIB", help="Larger bodies: 413.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Predictions a second to let through; beyond: 429.")
@click.option("--burst", type=click.FloatRange(1), help="How many may come at once after a pause; a second's if left out.")
@click.option(
    "--on-anomaly",
    default="count",
    type=click.Choice(["count", "reject"]),
    help="Values that the schema does not expect: count them in /metrics, or refuse them.",
)
@click.option("--log-sample", default=0.0, type=click.FloatRange(0, 1), metavar="SHARE", help="Of the rows, to be logged.")
@click.option("--log-max", default=256.0, type=click.FloatRange(0, min_open=True), metavar="MIB", help="The oldest go first.")
@click.option("--grace", default=30.0, type=click.FloatRange(0), metavar="S", help="To finish requests at the end.")
def command(
    name: str,
    host: str,
    port: int,
    version: str | None,
    poll: float,
    threads: int,
    batch_rows: int,
    batch_wait: float,
    queue_rows: int,
    max_body: float,
    rate: float | None,
    burst: float | None,
    on_anomaly: str,
    log_sample: float,
    log_max: float,
    grace: float,
) -> None:
    """Serve the champion of pipeline NAME over HTTP, as TensorFlow Serving does, until SIGTERM or Ctrl-C.

    When the champion moves, the new one is loaded aside and takes over; no request is dropped. /docs says what may be asked.
    """
    from components.bridge.job import Job
    from components.serve.request_log import FOLDER
    from components.serve.server import Settings, bind, is_loopback, serving, stop_signals, url_of
    from components.serve.source import Registry
    from components.tracking.store import open_store

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    root = Path.cwd()
    job = Job.load(name, root)
    listener = bind(host, port)
    if not is_loopback(host):
        click.echo(
            f"tensorline: --host {host}: whoever reaches this address can ask the model. There is no password and no "
            "encryption: put a proxy in front that has both.",
            err=True,
        )
    settings = Settings(
        num_threads=threads,
        most_rows=batch_rows,
        wait_s=batch_wait / 1000,
        most_waiting=queue_rows,
        poll_s=poll,
        most_body_bytes=int(max_body * (1 << 20)),
        rate=rate,
        burst=max(1.0, burst or rate or 1.0),
        reject_anomalies=on_anomaly == "reject",
        log_sample=log_sample,
        log_bytes=int(log_max * (1 << 20)),
        grace_s=grace,
    )
    source = Registry(job, open_store(root), version, batch_rows)
    with (
        stop_signals() as stop,
        serving(source, listener, settings, job.artifact(FOLDER), fixed=version is not None) as keeper,
    ):
        served = keeper.current
        click.echo(f"{served.name}, version {served.version}: {url_of(listener)}/v1/models/{served.name}:predict")
        click.echo(f"what may be asked: {url_of(listener)}/docs; Ctrl-C ends it")
        stop.wait()
        click.echo("stopping: requests in flight are finished", err=True)
    click.echo("stopped")
