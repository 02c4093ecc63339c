"""`transform.materialize: false`: raw examples in the place of transformed ones, and a training that does not notice."""

from __future__ import annotations

import shutil
from pathlib import Path

import keras_tuner
import numpy as np
import pytest

from components.errors import ParamsError
from components.transform_graph import are_raw
from tests.conftest import working_in


def set_materialize(params: Path, value: str) -> None:
    text = params.read_text(encoding="utf-8")
    assert text.count("\ntransform:\n") == 1
    params.write_text(text.replace("\ntransform:\n", f"\ntransform:\n  materialize: {value}\n"), encoding="utf-8")


@pytest.fixture(scope="module")
def unmaterialized(penguins, tmp_path_factory) -> Path:
    """Folder of the artifact that the stage writes."""
    from components.bridge import stage
    from components.bridge.job import Job

    root = tmp_path_factory.mktemp("unmaterialized") / "repository"
    shutil.copytree(penguins, root, ignore=shutil.ignore_patterns("data", "model"))
    params = root / "pipelines" / "penguins" / "params.yaml"
    set_materialize(params, "false")
    with working_in(root):
        job = Job.load("penguins", root)
        scratch = root / "made"
        scratch.mkdir()
        inputs = {key: job.artifact(key) for key in stage.INPUTS["transform"]}
        made = stage.execute(job, "transform", inputs, scratch, {})
        stage._account("transform", inputs, made)
    return made["transformed_examples"]


def test_the_artifact_holds_raw_examples_and_says_so(penguins, unmaterialized):
    artifacts = penguins / "artifacts" / "penguins"
    for split in ("train", "eval"):
        raw = sorted((artifacts / "examples" / f"Split-{split}").iterdir())
        found = sorted((unmaterialized / f"Split-{split}").iterdir())
        assert [path.name for path in found] == [path.name.replace(".tfrecord", ".raw.tfrecord") for path in raw]
        assert [path.read_bytes() for path in found] == [path.read_bytes() for path in raw]
        assert are_raw([str(path) for path in found])
    transformed = artifacts / "transformed_examples"
    assert not are_raw([str(path) for path in (transformed / "Split-train").iterdir()])
    assert (unmaterialized / "artifact.json").read_text() == (transformed / "artifact.json").read_text()


def files_of(arguments, folder: Path):
    arguments.train_files, arguments.eval_files = ([str(folder / f"Split-{split}" / "*")] for split in ("train", "eval"))
    return arguments


def batches(dataset) -> list[tuple[dict[str, np.ndarray], np.ndarray]]:
    return [({name: value.numpy() for name, value in features.items()}, label.numpy()) for features, label in dataset]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train", "limit_bytes"),
    [({}, 2**29), ({}, 0), ({"oversample": "balanced"}, 2**29)],
    ids=["in memory", "anew in each epoch", "oversampled"],
)
def test_the_same_weights_whether_materialized_or_not(
    fn_args_of, penguins, unmaterialized, tmp_path, train, limit_bytes, monkeypatch
):
    from components.train import columns
    from components.train.fitting import prepare

    monkeypatch.setattr(columns, "IN_MEMORY_LIMIT_BYTES", limit_bytes)
    found = []
    for number, folder in enumerate((penguins / "artifacts" / "penguins" / "transformed_examples", unmaterialized)):
        arguments = files_of(fn_args_of(tmp_path / str(number), train=train), folder)
        fitting = prepare(arguments)
        model = fitting.build(keras_tuner.HyperParameters.from_config(arguments.hyperparameters))
        model.fit(fitting.train, epochs=2, verbose=0, shuffle=False)
        again = prepare(arguments)
        found.append((again.label_counts, batches(again.train), batches(again.eval), model.get_weights()))
    (counts, *data, weights), (other_counts, *other_data, other_weights) = found
    assert counts == other_counts
    for ours, theirs in zip(data, other_data, strict=True):
        assert len(ours) == len(theirs) > 0
        for (features, label), (other_features, other_label) in zip(ours, theirs, strict=True):
            assert features.keys() == other_features.keys()
            assert all(np.array_equal(features[name], other_features[name]) for name in features)
            assert np.array_equal(label, other_label)
    assert all(np.array_equal(*pair) for pair in zip(weights, other_weights, strict=True))


def test_the_key_is_the_stages_and_no_recipe_sees_it(penguins, tmp_path):
    from components.bridge.job import Job

    job = Job.load("penguins", penguins)
    assert job.params.transform.materialize == "auto"
    assert "materialize" not in job.recipe_config()["transform"]
    shutil.copytree(penguins, tmp_path / "r", ignore=shutil.ignore_patterns("data", "artifacts"))
    params = tmp_path / "r" / "pipelines" / "penguins" / "params.yaml"
    set_materialize(params, "never")
    with pytest.raises(ParamsError) as refused:
        Job.load("penguins", tmp_path / "r")
    assert str(refused.value).startswith("pipelines/penguins/params.yaml: transform.materialize")
    assert "never" in str(refused.value)
