"""`tensorline ingest-check PATH`: what is there, before any pipeline exists."""

from __future__ import annotations

import click

from components.errors import UserError


@click.command("ingest-check")
@click.argument("path")
@click.option("--format", "data_format", help="As data.format; guessed by the files' names if left out.")
@click.option("--label", help="The column to learn.")
@click.option("--encoding", help="Of CSV and text files.")
@click.option("--delimiter", help="Of CSV.")
def command(path: str, data_format: str | None, label: str | None, encoding: str | None, delimiter: str | None) -> None:
    """Tells what lies at PATH (a file, a folder, an archive or a pattern), and what ingest would reject and why.

    Prints a section `data` for pipelines/NAME/params.yaml to begin with. Reads everything, writes nothing.
    """
    from pydantic import ValidationError

    from components.ingest.check import check, describe

    try:
        findings = check(path, data_format, label, encoding=encoding, delimiter=delimiter)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"data.{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}") from None
    print(describe(findings))
    if not findings.num_good:
        raise UserError(f"{path}: no record is good. The messages above say why.")
