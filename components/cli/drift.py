"""`tensorline drift NAME --against champion|eval|serving`: drift and skew, computed anew."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

EXIT_DRIFT = 3
"""Neither a failure (1) nor the user's mistake (2)."""
_AGAINST = ("champion", "eval", "serving")


@click.command("drift")
@click.argument("name")
@click.option("--against", type=click.Choice(_AGAINST), default="champion", show_default=True, help="What to compare with.")
@click.option("--json", "as_json", is_flag=True, help="Print what drift.json holds.")
@click.option(
    "--output", metavar="FOLDER", type=click.Path(path_type=Path), help="Write JSON, pictures and a page to a new folder."
)
def command(name: str, against: Any, as_json: bool, output: Path | None) -> None:
    """Compare the data of pipeline NAME: with the champion's training data, train with eval, or with logged requests.

    Leaves with 3 if there is drift, with 0 if there is none or nothing to compare with.
    """
    if output is not None and output.exists():
        raise UserError(f"{output}: exists already. Expected the name of a new folder.")
    from components.bridge.job import Job
    from components.drift.anew import compare_anew
    from components.drift.report import DRIFT_FILE, told, write_comparisons

    with tempfile.TemporaryDirectory() as scratch:
        comparison = compare_anew(Job.load(name, Path.cwd()), against, Path(scratch))
    content = comparison.as_dict()
    if output is not None:
        output.mkdir(parents=True)
        write_comparisons(output, [(DRIFT_FILE, comparison)])
    if as_json:
        click.echo(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _show(f"{name}: {comparison.title}", told(content), content)
    click.get_current_context().exit(EXIT_DRIFT if comparison.state == "drift" else 0)


def _show(title: str, sentence: str, content: Mapping[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"{title}\n{sentence}", soft_wrap=True)
    if content["features"]:
        table = _table(content["features"])
        # As wide as it is, also where the terminal is not: a cut number says nothing.
        wide = Console(highlight=False, width=10_000)
        console.print()
        Console(highlight=False, width=max(console.width, wide.measure(table).maximum)).print(table)


def _table(features: list[dict[str, Any]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("feature", "", "kind", "distance"):
        table.add_column(title)
    for title in ("", "limit", "p-value"):
        table.add_column(title, justify="right")
    table.add_column("where")
    for feature in features:
        table.add_row(
            Text(feature["feature"]),
            Text("drift", style="bold red") if feature["drifted"] else Text(""),
            feature["kind"],
            feature["distance_name"].replace("_", " "),
            f"{feature['distance']:.4f}",
            f"{feature['limit']:.4f}",
            f"{feature['p_adjusted']:.2g}",
            Text(feature["detail"]),
        )
    return table
