"""Images and texts go the way of tables: small cuts of fashion and reviews through every stage, asked in every way."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import copy_repository, working_in

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
TO_EVALUATE = ("ingest", "validate", "transform", "tune", "train", "evaluate")


def edit(file: Path, *changes: tuple[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, f"{file}: {old!r}"
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def ask_all_ways(root: Path, pipeline: str) -> None:
    """In a process of its own, as whoever loads the model later."""
    command = [sys.executable, str(Path(__file__).with_name("ask_all_ways.py")), str(root), pipeline]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory, run_stages: Callable[..., None]) -> Path:
    """A repository in which cuts of fashion, with and without labels, and of reviews ran up to evaluate; the root."""
    root = copy_repository(tmp_path_factory.mktemp("media"))
    images = root / "data" / "fashion" / "fashion_5k.zip"
    with zipfile.ZipFile(images) as archive:
        names = sorted(archive.namelist())[::8]
        content = {name: archive.read(name) for name in names}
    with zipfile.ZipFile(images, "w") as archive:
        for name, image in content.items():
            archive.writestr(name, image)
    edit(
        root / "pipelines" / "fashion" / "params.yaml",
        ("epochs: 40", "epochs: 6"),
        ("filters: [32, 64, 128]", "filters: [8, 16]"),
        ("accuracy: {min: 0.85}", "accuracy: {min: 0.5}"),
    )
    run_stages(root, "fashion", TO_EVALUATE)
    sentences = root / "data" / "reviews" / "sentences.csv"
    header, *rows = sentences.read_text(encoding="utf-8").splitlines(keepends=True)
    sentences.write_text("".join([header, *rows[::3]]), encoding="utf-8")
    edit(
        root / "pipelines" / "reviews" / "params.yaml",
        ("epochs: 40", "epochs: 8"),
        # With TensorFlow Text in the graph, which whoever loads the model must import first.
        ("tokenizer: {kind: words,", "tokenizer: {kind: unicode_script,"),
        ("accuracy: {min: 0.75}", "accuracy: {min: 0.5}"),
    )
    run_stages(root, "reviews", TO_EVALUATE)
    edit(
        root / "pipelines" / "fashion_vae" / "params.yaml",
        ("label: class", "label: null"),
        ("  slices:\n    - [class]\n", ""),
        ("epochs: 60", "epochs: 3"),
        ("filters: [32, 64]", "filters: [8, 8]"),
        ("pixel_rmse: {max: 0.2}", "pixel_rmse: {max: 0.5}"),
    )
    (root / "schemas" / "fashion_vae.pbtxt").write_text("# none yet\n", encoding="utf-8")
    run_stages(root, "fashion_vae", TO_EVALUATE)
    return root


def metrics(root: Path, pipeline: str) -> dict:
    return json.loads((root / "artifacts" / pipeline / "report" / "metrics.json").read_text(encoding="utf-8"))


def test_an_image_is_answered_alike_in_every_way(media: Path) -> None:
    assert metrics(media, "fashion")["accuracy"] > 0.5  # ten classes: guessing gets 0.1
    ask_all_ways(media, "fashion")


def test_a_sentence_is_answered_alike_in_every_way(media: Path) -> None:
    assert metrics(media, "reviews")["accuracy"] > 0.55
    ask_all_ways(media, "reviews")


def test_images_without_labels_are_learned_from_and_answered_alike_in_every_way(media: Path) -> None:
    model = json.loads((media / "artifacts" / "fashion_vae" / "model" / "model.json").read_text(encoding="utf-8"))
    assert (model["label"], model["kind"], model["inputs"]) == (None, "scored", {"image": "image"})
    found = metrics(media, "fashion_vae")
    # A model that gives every pixel one half, whatever the image, has −784 ln 2.
    assert found["elbo"] > -543
    assert found["elbo"] == pytest.approx(found["reconstruction"] - found["kl"], rel=1e-6)
    ask_all_ways(media, "fashion_vae")


def test_the_report_shows_images_and_sentences(media: Path) -> None:
    page = (media / "artifacts" / "fashion" / "report" / "report.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert "Training:" in page
    report = media / "artifacts" / "reviews" / "report"
    wrong = (report / "wrong_examples.csv").read_text(encoding="utf-8").splitlines()
    assert len(wrong) > 1
    assert "text" in wrong[0].split(",")
    projector = media / "artifacts" / "reviews" / "model_run" / "description" / "projector"
    vectors, words = ((projector / name).read_text(encoding="utf-8").splitlines() for name in ("vectors.tsv", "metadata.tsv"))
    assert len(vectors) == len(words) > 500


def test_every_stage_has_something_to_tell(media: Path) -> None:
    from components.bridge.job import Job

    lines = {}
    with working_in(media):
        for pipeline in ("fashion", "reviews"):
            job = Job.load(pipeline, media)
            for stage in TO_EVALUATE:
                outcome = importlib.import_module(f"components.{stage}.outcome").outcome
                told = outcome(job, {folder.name: folder for folder in job.artifact("").iterdir()})
                lines[pipeline, stage] = told.lines
                if (pipeline, stage) == ("fashion", "validate"):
                    files = told.files
                if (pipeline, stage) == ("reviews", "train"):
                    description = [folder for path, folder in told.files.items() if path.name == "description"]
    assert lines["fashion", "ingest"][0].startswith("625 records in 1 file → 625 examples (")
    assert lines["fashion", "validate"][2] == "image: 625 images; none nearly empty, no copies"
    assert files[media / "artifacts" / "fashion" / "statistics" / "contents"] == "contents"
    assert lines["fashion", "transform"][0].endswith(" examples → image [28, 28, 1], label [1]")
    assert lines["reviews", "transform"][0].endswith(" examples → label [1], tokens [of any length]")
    assert description == ["model_description"]


def test_a_model_of_one_pipeline_is_the_backbone_of_another(media: Path, run_stages: Callable[..., None]) -> None:
    """fashion's network, thawed in part, learns the classes of fashion_npz from few images."""
    import numpy as np

    data = media / "data" / "fashion_npz" / "fashion_4k.npz"
    with np.load(data) as arrays:
        few = {name: array[::4] for name, array in arrays.items()}
    np.savez_compressed(data, **few)
    file = media / "pipelines" / "fashion_npz" / "params.yaml"
    text = file.read_text(encoding="utf-8")
    start, end = text.index("model:"), text.index("tune:")
    model = (
        "model:\n  network: transfer\n"
        "  backbone: {path: artifacts/fashion/model/keras/model.keras, layer: hidden_relu, unfreeze_from: hidden, "
        "fine_tune_epochs: 2, fine_tune_learning_rate: 0.0001}\n\n"
    )
    file.write_text(text[:start] + model + text[end:], encoding="utf-8")
    edit(
        file,
        ("epochs: 40", "epochs: 10"),
        ("batch_size: 64", "batch_size: 16"),
        ("accuracy: {min: 0.85}", "accuracy: {min: 0.3}"),
    )
    run_stages(media, "fashion_npz", TO_EVALUATE)
    assert metrics(media, "fashion_npz")["accuracy"] > 0.5
    history = json.loads((media / "artifacts" / "fashion_npz" / "model_run" / "history.json").read_text(encoding="utf-8"))
    assert len(history["epochs"]) == 12
    ask_all_ways(media, "fashion_npz")
