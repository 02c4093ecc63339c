"""`tensorline tfx NAME`: the same components under TFX's own runners."""

from __future__ import annotations

from pathlib import Path

import click

from components.bridge.beam_check import check_beam
from components.bridge.graph import STAGES
from components.bridge.job import Job
from components.cli import find_root
from components.errors import UserError


@click.command("tfx")
@click.argument("name")
@click.option(
    "--runner",
    type=click.Choice(["local", "kubeflow"]),
    default="local",
    show_default=True,
    help="local runs it here; kubeflow writes it down for Kubeflow Pipelines or Vertex AI.",
)
@click.option("--to", "folder", default=None, help="Folder for artifacts and metadata; with kubeflow gs://BUCKET/FOLDER.")
@click.option("--until", type=click.Choice(list(STAGES)), default="evaluate", show_default=True, help="The last stage to run.")
@click.option("--image", default=None, help="With kubeflow: the container image of this repository.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="With kubeflow: a .yaml or .json to write.",
)
def command(name: str, runner: str, folder: str | None, until: str, image: str | None, output: Path | None) -> None:
    """Runs the pipeline NAME with TFX's LocalDagRunner and ML Metadata, or compiles it for Kubeflow."""
    names = list(STAGES)
    stages = tuple(names[: names.index(until) + 1])
    if runner == "kubeflow":
        from components.bridge.kubeflow import compile_pipeline

        output = output or Path(f"{name}.kubeflow.yaml")
        # From the root, where the program is: a step runs in that of the image.
        num_steps = compile_pipeline(Job.load(name, Path()), stages, image, folder, output)
        print(f"{num_steps} steps → {output}")
        return
    for option, value in (("--image", image), ("--output", output)):
        if value is not None:
            raise UserError(f"tfx: {option} {value}: only --runner kubeflow takes it. Expected that, or no {option}.")
    from components.bridge.tfx_pipeline import run_locally

    root = find_root()
    job = Job.load(name, root)
    check_beam(job.shared.beam)
    place = Path(folder) if folder is not None else root / "artifacts" / name / "tfx"
    run_locally(job, place, stages)
    print(f"done → {place}")
