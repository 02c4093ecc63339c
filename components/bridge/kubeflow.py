"""Writes the pipeline down for Kubeflow Pipelines or Vertex AI: the same components, each a step in a container.

The container's image holds the repository with its environment, as the Dockerfile makes it, with the extra `kubeflow`; a step
begins with `kubeflow_step`.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from components.bridge.beam import pipeline_args
from components.bridge.beam_check import check_beam
from components.bridge.job import Job
from components.bridge.tfx_pipeline import create_components
from components.errors import UserError

STEP_COMMAND = (".venv/bin/python", "-m", "components.bridge.kubeflow_step")
"""From the repository's root, which is the image's working directory."""
LAST_STAGE = "evaluate"
"""Register needs the MLflow store, and moves the champion by what it finds there."""
BUCKET = "gs://"
_SUFFIXES = (".yaml", ".yml", ".json")


def compile_pipeline(job: Job, stages: tuple[str, ...], image: str | None, artifacts: str | None, output: Path) -> int:
    """Writes the specification of `stages` to `output`; returns the number of its steps.

    Args:
        job: The pipeline, its root given relative to the working directory: a step runs in the image's.
        stages: What to run, in order.
        image: Name of the container's image.
        artifacts: Where the artifacts go, `gs://BUCKET/FOLDER`, or a folder that every step's machine has mounted.
        output: A file; .yaml for the specification, .json for a job of Vertex AI.

    Raises: UserError if kfp is not installed, or something could not work on another machine; ParamsError for `beam`.
    """
    if not all(importlib.util.find_spec(name) for name in ("kfp", "kfp.pipeline_spec")):
        raise UserError(
            "tfx --runner kubeflow: the package kfp is not installed. Expected it beside TFX (Python 3.10 or 3.11): "
            "pip install 'tensorline[kubeflow]'; in a clone: .venv/setup/bin/uv pip install --python .venv "
            "--no-build-isolation --editable '.[kubeflow]'"
        )
    if image is None:
        raise UserError(
            "tfx --runner kubeflow: no image. Expected --image NAME, a container image of this repository with its "
            "environment: docs/runners.md says how to build one."
        )
    _check(job, stages, artifacts, output)
    check_beam(job.shared.beam, compiling=True)
    from tfx.orchestration import pipeline
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

    components = create_components(job, stages)
    made = pipeline.Pipeline(
        pipeline_name=job.name.replace("_", "-"),  # Kubeflow takes no underscore
        pipeline_root=artifacts,
        components=components,
        beam_pipeline_args=pipeline_args(job.shared.beam),
    )
    config = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(default_image=image, default_commands=list(STEP_COMMAND))
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(config, str(output.parent), output.name)
    runner.run(made)
    return len(components)


def _check(job: Job, stages: tuple[str, ...], artifacts: str | None, output: Path) -> None:
    """Finds what would fail on another machine, or be lost there without a word."""
    if artifacts is None or not (artifacts.startswith((BUCKET, "/")) and artifacts.strip("/") != BUCKET.strip("/")):
        raise UserError(
            f"tfx --runner kubeflow: --to: got {artifacts or 'nothing'}. Expected where all steps can put artifacts: "
            f"{BUCKET}BUCKET/FOLDER, or the absolute path of a folder that all of them have mounted."
        )
    if output.suffix not in _SUFFIXES:
        raise UserError(f"tfx --runner kubeflow: --output {output}: expected a name that ends in {', '.join(_SUFFIXES)}.")
    if LAST_STAGE in stages and stages[-1] != LAST_STAGE:
        raise UserError(
            f"tfx --runner kubeflow: --until {stages[-1]}: a step has not the MLflow store of this machine, so its model "
            f"would be registered nowhere. Expected --until {LAST_STAGE} at most."
        )
    path = job.params.data.path
    first = path if isinstance(path, str) else ""
    if "://" in first:
        raise UserError(
            f"data.path: {path}: steps read files. Expected a bucket as Vertex AI mounts it, /gcs/BUCKET/…, or a path in the "
            "repository, which the image holds."
        )
    if job.params.train.strategy == "multi_worker":
        raise UserError(
            "train.strategy: multi_worker: a step of Kubeflow is one process, and would wait for the others for ever. "
            "Expected another strategy."
        )
