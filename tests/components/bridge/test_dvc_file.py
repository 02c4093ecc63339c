"""dvc.yaml is the only place that says what a stage depends on."""

from __future__ import annotations

from pathlib import Path

from components.bridge.dvc_file import StageDependencies, stage_dependencies

ROOT = Path(__file__).parents[3]
WRITERS = ("components/tf_example.py", "components/tfrecord_writer.py")


def test_templates_are_filled_in() -> None:
    entry = {"data": "data/taxi", "recipe": "recipes/tabular"}
    assert stage_dependencies(ROOT, "ingest", "taxi", entry) == StageDependencies(
        paths=("components/ingest", *WRITERS, "schemas/taxi.pbtxt", "data/taxi"),
        params={"pipelines/taxi/params.yaml": ("data",)},
    )
    assert stage_dependencies(ROOT, "transform", "mpg", entry) == StageDependencies(
        paths=(
            "components/transform",
            "components/column_names.py",
            "components/transform_graph.py",
            *WRITERS,
            "components/bridge/recipe.py",
            "recipes/classification.py",
            "recipes/contract.py",
            "recipes/label.py",
            "recipes/raw.py",
            "recipes/regression.py",
            "recipes/tabular",
            "artifacts/mpg/examples",
            "artifacts/mpg/schema",
            "artifacts/mpg/anomalies",
        ),
        params={"params.yaml": ("beam",), "pipelines/mpg/params.yaml": ("recipe", "data.label", "transform")},
    )
