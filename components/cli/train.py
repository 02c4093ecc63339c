"""`tensorline train NAME --worker I/N`: the stage train as one of several workers, for launchers that start each of them."""

from __future__ import annotations

import os
import re

import click

from components.errors import UserError


@click.command("train")
@click.argument("name")
@click.option("--worker", metavar="I/N", help="Be worker I of N; the first is 0, the chief. Without it as TF_CONFIG says.")
@click.option("--address", "addresses", metavar="HOST:PORT,…", help="Of all N, the chief's first; none: on this machine.")
@click.pass_context
def command(context: click.Context, name: str, worker: str | None, addresses: str | None) -> None:
    """Runs the stage train of the pipeline NAME, without DVC.

    The chief writes the artifacts and tracks the run as `dvc repro` does; `dvc commit train@NAME` then tells DVC. The other
    workers only help, and write nothing but a log.
    """
    from pathlib import Path

    from components.bridge.stage import main
    from components.params.load import load_pipeline
    from components.train.cluster import VARIABLE

    if worker is not None:
        strategy = load_pipeline(name, Path.cwd()).train.strategy
        if strategy != "multi_worker":
            raise UserError(
                f"--worker {worker}: train.strategy of {name} is {strategy}, which trains in one process. Set it to "
                "multi_worker, or leave the option out."
            )
        os.environ[VARIABLE] = cluster_of(worker, addresses)
    elif addresses is not None:
        raise UserError("--address: which of the workers is this one? Give --worker I/N as well.")
    context.exit(main("train", [name]))


def cluster_of(worker: str, addresses: str | None) -> str:
    """TF_CONFIG for the options' values. Raises: UserError if they make no sense."""
    from components.train.cluster import FIRST_PORT, Cluster, parse_address

    match = re.fullmatch(r"(\d{1,4})/(\d{1,4})", worker, re.ASCII)
    if match is None or int(match[1]) >= int(match[2]):
        raise UserError(f"--worker: expected I/N with I from 0 to N - 1, as 0/2 and 1/2, got '{worker}'.")
    index, number = int(match[1]), int(match[2])
    if addresses is None:
        given = [f"127.0.0.1:{FIRST_PORT + each}" for each in range(number)]
    else:
        given = [address.strip() for address in addresses.split(",")]
    if len(given) != number or len(set(given)) != number:
        raise UserError(f"--address: expected {number} different addresses, one a worker, got {', '.join(given)}.")
    for address in given:
        try:
            parse_address(address)
        except ValueError as error:
            raise UserError(f"--address: {error}.") from None
    return Cluster(tuple(given), index).as_tf_config()
