"""`tensorline rollback NAME`: the champion goes back to the version before."""

from __future__ import annotations

from pathlib import Path

import click

from components.params.load import load_pipeline


@click.command("rollback")
@click.argument("name")
@click.option("--to", metavar="VERSION", help="Make this version the champion instead of the one before.")
@click.option("--why", default="rollback", show_default=True, help="Recorded in the history.")
def command(name: str, to: str | None, why: str) -> None:
    """Move the champion of pipeline NAME back to the version that was champion before."""
    root = Path.cwd()
    model_name = load_pipeline(name, root).register_.model_name

    from components.tracking.moves import rollback
    from components.tracking.store import open_store

    move = rollback(open_store(root), model_name, why, to)
    click.echo(f"{model_name}: the champion is version {move.to_version} now; it was version {move.from_version}.")
