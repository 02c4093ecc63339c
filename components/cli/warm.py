"""`tensorline warm status` and `tensorline warm stop`: the server that starts stages at once."""

from __future__ import annotations

import os
from typing import Any

import click

_LEAVES_WITHIN_S = 10.0


@click.group("warm")
def command() -> None:
    """Tell of the warm server of this repository, or stop it; docs/speed.md."""


@command.command("status")
def status() -> None:
    """Show whether there is a server, and what it does."""
    told = _ask("status")
    if told is None:
        click.echo(_none())
        return
    running = f"runs {', '.join(told['running'])}" if told["running"] else f"idle for {told['idle_s']:.0f} s"
    size = f"{told['rss_bytes'] / 2**30:.1f} GiB"
    click.echo(f"process {told['pid']}, for {told['up_s']:.0f} s; {size}; {told['num_stages']} stages so far; {running}")
    click.echo(f"It leaves after {told['leaves_after_s']:g} s without a stage (warm.idle_s in params.yaml).")
    click.echo(f"Its log: {_place().log}")


@command.command("stop")
def stop() -> None:
    """Have the server leave; stages that run go on to their end."""
    told = _ask("stop")
    if told is None:
        click.echo(_none())
        return
    click.echo(
        f"The warm server leaves when its {told['stages']} stages have ended." if told["stages"] else "The warm server left."
    )


def _place() -> Any:
    from components.errors import UserError
    from components.warm.place import Place, UnsafeFolderError

    try:
        return Place(os.getcwd())  # noqa: PTH109  as the client does
    except UnsafeFolderError as error:
        raise UserError(f"{error}.") from None


def _ask(what: str) -> dict[str, Any] | None:
    """What the server answers; None if there is none."""
    from components.errors import TensorlineError
    from components.warm import wire
    from components.warm.client import ColdError, connect

    try:
        connection = connect(_place())
        if connection is None:
            return None
        with connection:
            connection.settimeout(_LEAVES_WITHIN_S)
            wire.send(connection, {"what": what})
            return wire.receive(connection)
    except (ColdError, OSError, ValueError) as error:
        raise TensorlineError(f"The warm server can't be asked: {error}. Its log: {_place().log}") from None


def _none() -> str:
    from components.warm.client import ColdError, require_wanted

    place = _place()
    lock = place.lock()
    if lock is None:
        return f"The warm server of this repository is still importing the libraries, or is leaving. Its log: {place.log}"
    os.close(lock)
    try:
        require_wanted()
    except ColdError as reason:
        return f"No warm server for this repository, and none would be started: {reason}."
    return "No warm server for this repository. The next stage starts one."
