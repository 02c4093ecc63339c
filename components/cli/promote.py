"""`tensorline promote NAME VERSION --why TEXT`: a person decides, over the gate."""

from __future__ import annotations

from pathlib import Path

import click

from components.params.load import load_pipeline


@click.command("promote")
@click.argument("name")
@click.argument("version")
@click.option("--why", required=True, metavar="TEXT", help="Recorded in the history, with your name.")
def command(name: str, version: str, why: str) -> None:
    """Make VERSION the champion of pipeline NAME, whatever the gate said of it."""
    root = Path.cwd()
    model_name = load_pipeline(name, root).register_.model_name

    from components.tracking.moves import promote
    from components.tracking.store import open_store

    move = promote(open_store(root), model_name, version, why)
    before = f"it was version {move.from_version}" if move.from_version else "there was none"
    click.echo(f"{model_name}: the champion is version {move.to_version} now; {before}.")
