"""The same component objects as a plain `tfx` pipeline, for TFX's own runners."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.bridge.beam import pipeline_args
from components.bridge.graph import STAGES
from components.bridge.job import Job

if TYPE_CHECKING:
    from tfx.dsl.components.base.base_component import BaseComponent


def create_components(job: Job, stages: tuple[str, ...]) -> list[BaseComponent]:
    """The components of `stages`, in order, each fed by those before."""
    channels: dict[str, Any] = {}
    components = []
    for stage in stages:
        for component in STAGES[stage](job, channels):
            components.append(component)
            channels.update(component.outputs)
    return components


def create_pipeline(job: Job, pipeline_root: Path, metadata_path: Path, stages: tuple[str, ...] = tuple(STAGES)) -> Any:
    """A `tfx.orchestration.pipeline.Pipeline` of `stages`, in order.

    Args:
        job: The pipeline; its paths must be reachable from where the runner works.
        pipeline_root: Folder for the artifacts.
        metadata_path: SQLite file of ML Metadata.
        stages: What to run; each needs the stages before it.
    """
    from tfx.orchestration import metadata, pipeline

    return pipeline.Pipeline(
        pipeline_name=job.name,
        pipeline_root=str(pipeline_root),
        components=create_components(job, stages),
        metadata_connection_config=metadata.sqlite_metadata_connection_config(str(metadata_path)),
        beam_pipeline_args=pipeline_args(job.shared.beam),
    )


def run_locally(job: Job, folder: Path, stages: tuple[str, ...] = tuple(STAGES)) -> None:
    """Runs the pipeline with TFX's LocalDagRunner; artifacts and metadata go to `folder`."""
    from tfx.orchestration.local.local_dag_runner import LocalDagRunner

    folder.mkdir(parents=True, exist_ok=True)
    LocalDagRunner().run(create_pipeline(job, folder / "artifacts", folder / "metadata.db", stages))
