"""`tensorline history NAME`: who was champion from when to when, by whom and why; and what became of each version."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from components.params.load import load_pipeline

if TYPE_CHECKING:
    from rich.table import Table

    from components.tracking.registry import Judged
    from components.tracking.reigns import Reign

_NUM_VERSIONS = 10
_KINDS = {"promote": "the gate", "rollback": "rollback", "override": "a person, over the gate", "found": "found"}


@click.command("history")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="All of it for programs: reigns, moves and versions.")
def command(name: str, as_json: bool) -> None:
    """Show who was champion of pipeline NAME from when to when, oldest first, and the verdicts over its versions."""
    root = Path.cwd()
    model_name = load_pipeline(name, root).register_.model_name

    from components.tracking.moves import history
    from components.tracking.registry import judged_versions
    from components.tracking.reigns import reigns
    from components.tracking.store import open_store

    store = open_store(root)
    found, versions = reigns(store, model_name), judged_versions(store, model_name)
    champion = next((each.version for each in found if each.is_champion), None)
    if as_json:
        content = {
            "model": model_name,
            "champion": champion,
            "reigns": [asdict(each) for each in found],
            "moves": [asdict(each) for each in history(store, model_name)],
            "versions": [asdict(each) for each in versions],
        }
        click.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    console = Console()
    console.print(_reigns_table(model_name, found))
    console.print(_versions_table(model_name, versions[-_NUM_VERSIONS:]))
    if len(versions) > _NUM_VERSIONS:
        console.print(f"{len(versions) - _NUM_VERSIONS} older versions: tensorline history {name} --json", highlight=False)
    console.print(f"Champion now: {f'version {champion}' if champion else 'none'}.", highlight=False)


def _reigns_table(model_name: str, found: list[Reign]) -> Table:
    from rich.table import Table

    heads = ("version", "from (UTC)", "to (UTC)", "by", "how", "why")
    table = Table(*heads, title=f"champions of {model_name}", title_justify="left")
    for each in found:
        until = "now" if each.is_champion else _time(each.until)
        table.add_row(each.version, _time(each.since), until, each.by or "unknown", _KINDS[each.kind], each.why)
    return table


def _versions_table(model_name: str, versions: list[Judged]) -> Table:
    from rich.table import Table

    heads = ("version", "registered (UTC)", "verdict", "failed checks", "why")
    table = Table(*heads, title=f"versions of {model_name}", title_justify="left")
    for each in versions:
        table.add_row(each.version, _time(each.at), each.verdict, ", ".join(each.failed_checks) or "–", each.reason)
    return table


def _time(at: str | None) -> str:
    return "unknown" if at is None else at.replace("+00:00", "").replace("T", " ")
