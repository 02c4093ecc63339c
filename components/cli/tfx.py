"""`tensorline tfx NAME`: the same components under TFX's own runner."""

from __future__ import annotations

from pathlib import Path

import click

from components.bridge.graph import STAGES
from components.bridge.job import Job
from components.cli import find_root


@click.command("tfx")
@click.argument("name")
@click.option("--to", "folder", type=click.Path(path_type=Path), default=None, help="Folder for artifacts and metadata.")
@click.option("--until", type=click.Choice(list(STAGES)), default="evaluate", show_default=True, help="The last stage to run.")
def command(name: str, folder: Path | None, until: str) -> None:
    """Runs the pipeline NAME with TFX's LocalDagRunner and ML Metadata."""
    from components.bridge.tfx_pipeline import run_locally

    root = find_root()
    job = Job.load(name, root)
    folder = folder or root / "artifacts" / name / "tfx"
    names = list(STAGES)
    run_locally(job, folder, tuple(names[: names.index(until) + 1]))
    print(f"done → {folder}")
