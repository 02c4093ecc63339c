"""`tensorline history NAME`: every move of the champion."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from components.params.load import load_pipeline


@click.command("history")
@click.argument("name")
def command(name: str) -> None:
    """Show every move of the champion of pipeline NAME, oldest first."""
    root = Path.cwd()
    model_name = load_pipeline(name, root).register_.model_name

    from components.tracking.moves import champion_version, history
    from components.tracking.store import open_store

    store = open_store(root)
    table = Table("when (UTC)", "who", "what", "from", "to", "why", title=f"champion of {model_name}", title_justify="left")
    for move in history(store, model_name):
        at = move.at.replace("+00:00", "").replace("T", " ")
        table.add_row(at, move.by, move.kind, move.from_version or "–", move.to_version or "–", move.why)
    champion = champion_version(store, model_name)
    console = Console()
    console.print(table)
    console.print(f"Champion now: {f'version {champion.version}' if champion else 'none'}.", highlight=False)
