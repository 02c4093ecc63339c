"""`tensorline schema NAME [--accept]`: from the inferred schema to the reviewed one."""

from __future__ import annotations

import click

from components.bridge.job import Job, read_reviewed_schema
from components.cli import find_root
from components.errors import UserError


@click.command("schema")
@click.argument("name")
@click.option("--accept", is_flag=True, help="Adopt the schema of the last validation as schemas/NAME.pbtxt.")
@click.option("--force", is_flag=True, help="With --accept: replace a reviewed schema.")
def command(name: str, accept: bool, force: bool) -> None:
    """Prints the schema of the last validation of the pipeline NAME."""
    job = Job.load(name, find_root())
    source = job.artifact("schema") / "schema.pbtxt"
    for candidate in (source, job.artifact("schema") / job.schema_file.name):  # ImportSchemaGen keeps the file's name
        if candidate.exists():
            source = candidate
            break
    else:
        raise UserError(f"artifacts/{name}/schema: no schema yet. Make one first: dvc repro validate@{name}")
    if not accept:
        print(source.read_text(encoding="utf-8"), end="")
        return
    shown = f"schemas/{name}.pbtxt"
    reviewed = read_reviewed_schema(job.schema_file, shown) if job.schema_file.exists() else None
    if reviewed is not None and not force:
        raise UserError(
            f"{shown}: a reviewed schema is there already. Edit it, or replace it: tensorline schema {name} --accept --force"
        )
    header = (
        f"# The reviewed data contract of {name}, adopted from what TFDV inferred; edit it as the data's meaning demands.\n"
    )
    text = source.read_text(encoding="utf-8")
    temporary = job.schema_file.with_suffix(".pbtxt.new")
    temporary.write_text(text if text.startswith("#") else header + text, encoding="utf-8")
    temporary.replace(job.schema_file)
    print(f"{shown}: adopted. Review it, commit it, then: dvc repro")
