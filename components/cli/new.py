"""`tensorline new NAME --csv PATH --label COLUMN`: from data to a pipeline, with reasons."""

from __future__ import annotations

import click

from components.errors import UserError

_FORMATS = {"csv": "csv", "images": "images", "text": None, "arrays": None, "data": None}
"""Option → `data.format`; None to guess it."""


@click.command("new")
@click.argument("name")
@click.option("--csv", metavar="PATH", help="A table: CSV, or JSON Lines or Parquet by its ending; also .gz, or a pattern.")
@click.option(
    "--images", metavar="PATH", help="A folder, .zip or .tar with a folder for each class, or a table of their paths."
)
@click.option("--text", metavar="PATH", help="A table with a column of sentences, or a folder with a folder for each class.")
@click.option("--arrays", metavar="PATH", help="NumPy arrays: .npz, or a pattern of .npy, each a column.")
@click.option("--data", metavar="PATH", help="Any of these: what it is, is guessed.")
@click.option("--label", metavar="COLUMN", help="What to learn; of folders, what to call it.")
def command(name: str, label: str | None, **paths: str | None) -> None:
    """Looks at data and proposes the pipeline NAME for them.

    Writes pipelines/NAME with the reasons as comments, a placeholder of its schema, and a line of params.yaml; copies the data
    into data/NAME if they don't lie in a folder of the repository. Where they teach nothing, it says why, and writes nothing.
    """
    from pathlib import Path

    from pydantic import ValidationError

    from components.new.place import find_place
    from components.new.propose import propose
    from components.new.write import check_name, write

    given = {option: path for option, path in paths.items() if path is not None}
    if len(given) != 1:
        found = " and ".join(f"--{option}" for option in given) or "none"
        raise UserError(
            f"Expected one of --csv, --images, --text, --arrays and --data, with the path of the data; got {found}."
        )
    ((option, path),) = given.items()
    root = Path.cwd()
    check_name(name, root)
    place = find_place(name, path, root)
    try:
        proposal = propose(name, path, format_of(option, path), label)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"data.{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}") from None
    if place.copies and any("root" in each for each in proposal.findings.params.get("images", {}).values()):
        raise UserError(
            f"{path}: its paths are those from the folder in which you are. Copy the table and its images into data/{name}, "
            "and give the path of the table there."
        )
    written = write(name, path, proposal, place, root)
    click.echo(f"{name}: {proposal.recipe}. {proposal.why}")
    if place.copies:
        size = f"{written.num_bytes / 1e6:,.1f} MB"
        click.echo(f"{place.folder}: copied from {path} ({size}), for DVC watches a folder of the repository.")
    for file in written.files:
        click.echo(f"{file}: {'one line more' if file == 'params.yaml' else 'written'}")
    click.echo(f"\nRead the reasons in pipelines/{name}/params.yaml, then:\n\n    dvc repro register@{name}")


def format_of(option: str, path: str) -> str | None:
    """`data.format` as an option asks for it; None where the files' names tell."""
    from pathlib import PurePosixPath

    from components.ingest.check import format_of_name

    found = format_of_name(PurePosixPath(path).name)
    if option == "csv":
        return found if found in ("csv", "jsonl", "parquet") else "csv"
    if option == "images":
        return None if found in ("csv", "jsonl", "parquet") else "images"
    if option == "arrays" and found not in ("npz", "npy"):
        raise UserError(f"--arrays: {path} is neither .npz nor .npy. Expected NumPy arrays. For other data take --data.")
    return None
