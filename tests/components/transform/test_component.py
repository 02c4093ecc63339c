"""Transform by columns: what stock Transform gives, through the bridge and through TFX, without TFX's imports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf

from tests.conftest import ROOT, working_in


def run(penguins: Path, scratch: Path) -> dict[str, Path]:
    """Runs the stage alone, through the bridge."""
    from components.bridge import stage
    from components.bridge.job import Job

    with working_in(penguins):
        job = Job.load("penguins", penguins)
        scratch.mkdir()
        return stage.execute(job, "transform", {key: job.artifact(key) for key in stage.INPUTS["transform"]}, scratch, {})


def records(examples: Path, split: str) -> list[bytes]:
    files = sorted((examples / f"Split-{split}").iterdir())
    return [record for file in files for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator()]


def files(folder: Path) -> dict[str, bytes]:
    """But for those that hold another number each time that a process writes a SavedModel."""
    skipped = ("fingerprint.pb", "saved_model.pb")
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in skipped)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def plain(penguins, tmp_path_factory) -> dict[str, Path]:
    return run(penguins, tmp_path_factory.mktemp("plain") / "made")


@pytest.mark.slow
def test_the_same_comes_out_as_of_stock_transform(penguins, plain, tmp_path, monkeypatch):
    from components.bridge import graph

    monkeypatch.setattr(graph, "runs_here", lambda beam: False)
    stock = run(penguins, tmp_path / "stock")
    for split in ("train", "eval"):
        ours, theirs = (records(made["transformed_examples"], split) for made in (plain, stock))
        assert Counter(ours) == Counter(theirs)  # stock writes them in the order of its batches
        assert len(ours) > 40
    graphs = [files(made["transform_graph"]) for made in (plain, stock)]
    assert graphs[0] == graphs[1]
    assert {"metadata/schema.pbtxt", "transformed_metadata/schema.pbtxt"} <= set(graphs[0])
    properties = [(made["transformed_examples"] / "artifact.json").read_text() for made in (plain, stock)]
    assert properties[0] == properties[1]


@pytest.mark.slow
def test_tfx_runs_the_same(penguins, plain, tmp_path, monkeypatch):
    from components.bridge import graph

    monkeypatch.setattr(graph, "WITHOUT_TFX", {})
    by_tfx = run(penguins, tmp_path / "tfx")
    assert files(by_tfx["transformed_examples"]) == files(plain["transformed_examples"])
    assert files(by_tfx["transform_graph"]) == files(plain["transform_graph"])


def test_a_record_keeps_its_file_and_its_place(penguins, plain):
    raw = penguins / "artifacts" / "penguins" / "examples" / "Split-train"
    transformed = plain["transformed_examples"] / "Split-train"
    assert [path.name for path in sorted(transformed.iterdir())] == [path.name for path in sorted(raw.iterdir())]
    import tensorflow_transform as tft

    from components.transform.materialise import graph_function

    apply = graph_function(tft.TFTransformOutput(str(plain["transform_graph"])))
    spec = tft.TFTransformOutput(str(plain["transform_graph"])).transformed_feature_spec()
    for file in raw.iterdir():
        (expected,) = tf.data.TFRecordDataset(str(file)).batch(10_000).map(apply)
        (found,) = tf.data.TFRecordDataset(str(transformed / file.name)).batch(10_000)
        parsed = tf.io.parse_example(found, spec)
        assert set(parsed) == set(expected)
        for name, values in parsed.items():
            tf.debugging.assert_equal(values, expected[name])


def test_the_same_bytes_each_time(penguins, plain, tmp_path):
    place = plain["transform_graph"].parent
    first = tmp_path / "first"
    shutil.copytree(place, first)
    shutil.rmtree(place)
    run(penguins, place)
    for key in plain:
        again, before = files(place / key), files(first / key)
        assert again == before


@pytest.mark.slow
def test_the_stage_imports_neither_tfx_nor_tfma(penguins, tmp_path):
    code = """
import json, runpy, sys
sys.argv = ["components/transform/__main__.py", "penguins"]
try:
    runpy.run_module("components.transform", run_name="__main__", alter_sys=True)
except SystemExit as leaving:
    heavy = {"tfx", "tensorflow_model_analysis", "tensorflow_data_validation", "ml_metadata"}
    print(json.dumps([leaving.code, sorted(heavy & set(sys.modules))]))
"""
    root = tmp_path / "repository"
    shutil.copytree(penguins, root)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []]
