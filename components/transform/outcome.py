"""What the transform has to tell."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from components.bridge import accounting
from components.bridge.job import Job
from components.bridge.outcome import Outcome
from components.tfrecord import count_split


def outcome(job: Job, folders: Mapping[str, Path]) -> Outcome:
    """Counts by split, the transformed features, and the vocabularies as files of the run."""
    import tensorflow_transform as tft

    transformed = tft.TFTransformOutput(str(folders["transform_graph"]))
    spec = transformed.transformed_feature_spec()
    counts = {split: count_split(folders["transformed_examples"], split) for split in ("train", "eval")}
    # A feature of any length has no shape.
    shapes = ", ".join(
        f"{name} {list(value.shape) if hasattr(value, 'shape') else '[of any length]'}" for name, value in sorted(spec.items())
    )
    return Outcome(
        lines=[f"{accounting.shown(counts)} examples → {shapes}"],
        metrics={"num_transformed_features": len(spec)},
        files={folders["transform_graph"] / "transform_fn" / "assets": "vocabularies"}
        if any((folders["transform_graph"] / "transform_fn" / "assets").glob("*"))
        else {},
    )
