"""Folders and archives of images through the whole ingest."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from components.errors import ParamsError, RecordError, UserError
from components.ingest.ingest import ingest
from components.ingest.summary import summary
from components.params.models import DataParams
from tests.components.ingest.image_files import encoded, film, picture, png, rotated_jpeg
from tests.components.ingest.test_archive import make_tar, make_zip

FASHION = Path(__file__).parents[3] / "data/fashion/fashion_5k.zip"
FILES = {
    **{f"cat/{number:02d}.png": png(number) for number in range(20)},
    **{f"dog/{number:02d}.png": png(100 + number) for number in range(10)},
    **{f"dog/more/{number:02d}.png": png(110 + number) for number in range(10)},
}
LITTER = {
    ".DS_Store": b"x",
    "__MACOSX/cat/._00.png": b"x",
    "cat/Thumbs.db": b"x",
    "cat/.hidden/1.png": b"x",
    "README.md": b"x",
    "labels.csv": b"x",
}


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def run(**params) -> dict:
    data = DataParams.model_validate({"format": "images", "label": "label", **params})
    return ingest(data, None, Path("examples"), Path("report"))


def examples(split: str | None = None) -> list[dict]:
    """Feature → value, of every example, shard by shard."""
    import tensorflow as tf

    found = []
    for path in sorted(Path("examples").glob(f"Split-{split or '*'}/*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            found.append({name: getattr(value, value.WhichOneof("kind")).value[0] for name, value in features.items()})
    return found


def rejects() -> list[dict[str, str]]:
    with Path("report/rejects.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by_content() -> dict[bytes, str]:
    return {example["image"]: example["label"].decode() for example in examples()}


EXPECTED = {content: name.split("/")[0] for name, content in FILES.items()}


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "tgz", "zip with one top folder", "pattern"])
def test_class_folders(folder, kind):
    files = {**FILES, **LITTER}
    if kind == "zip with one top folder":
        files = {f"pets-main/{name}": content for name, content in files.items()}
    if kind in ("folder", "pattern"):
        write_folder(Path("pets"), files)
        path = "pets" if kind == "folder" else "pets/**/*.png"
    elif kind == "tgz":
        path = str(make_tar(Path("pets.tar.gz"), files))
    elif kind == "tar":
        path = str(make_tar(Path("pets.tar"), files))
    else:
        path = str(make_zip(Path("pets.zip"), files))
    report = run(path=path)
    assert by_content() == EXPECTED
    assert report["by_file"] == {
        path: {"num_records_in": 40, "num_examples": report["num_examples"], "num_rejects": 0},
    }
    assert report["images"] == {"num_converted": {}, "num_copies": 0, "ignored_files": 0 if kind == "pattern" else 6}
    assert report["columns"] == {
        "image": "bytes",
        "image_aspect": "number",
        "image_brightness": "number",
        "image_channels": "integer",
        "image_contrast": "number",
        "image_copies": "integer",
        "image_format": "string",
        "image_height": "integer",
        "image_width": "integer",
        "label": "string",
    }


def test_an_example(folder):
    write_folder(Path("pets"), {**FILES, "dog/more/99.jpg": encoded(picture(7, (20, 10)), "JPEG")})
    run(path="pets", rename={"image": "photo"})
    (example,) = [example for example in examples() if example["photo_format"] == b"JPEG"]
    pixels = picture(7, (20, 10)).convert("L")
    assert example == {
        "photo": encoded(picture(7, (20, 10)), "JPEG"),
        "photo_width": 20,
        "photo_height": 10,
        "photo_channels": 3,
        "photo_format": b"JPEG",
        "photo_aspect": 2.0,
        "photo_brightness": pytest.approx(np.asarray(pixels).mean() / 255, abs=0.01),
        "photo_contrast": pytest.approx(0.2, abs=0.05),
        "photo_copies": 0,
        "label": b"dog",
    }


def test_a_label_of_another_name_and_one_that_is_derived(folder):
    write_folder(Path("pets"), FILES)
    assert run(path="pets", label="species")["columns"]["species"] == "string"
    report = run(path="pets", label="is_dog", derive={"is_dog": 'label == "dog"'}, drop=["label"])
    assert report["columns"]["is_dog"] == "integer"
    assert Counter(example["is_dog"] for example in examples()) == {0: 20, 1: 20}


def test_images_without_classes(folder):
    write_folder(Path("all"), {name.replace("/", "_"): content for name, content in FILES.items()})
    assert "label" not in run(path="all", label=None)["columns"]
    with pytest.raises(UserError) as error:
        run(path="all")
    assert str(error.value) == (
        "all: its 40 images lie in no folder. Expected a folder for each class: CLASS/…/file. Name the folder that holds the "
        "class folders, or set data.label: null if there are no classes."
    )


def test_the_order_of_names_is_that_of_the_examples(folder):
    write_folder(Path("pets"), FILES)
    run(path="pets", num_shards=1)
    order = {content: number for number, content in enumerate(FILES[name] for name in sorted(FILES))}
    numbers = [order[example["image"]] for example in examples("train")]
    assert numbers == sorted(numbers)


def test_the_same_bytes_again_from_folder_and_archive(folder):
    write_folder(Path("pets"), FILES)
    make_zip(Path("pets.zip"), FILES)
    written = []
    for path in ("pets", "pets.zip", "pets"):
        run(path=path)
        written.append({path.name: path.read_bytes() for path in Path("examples").rglob("*.tfrecord")})
    assert written[0] == written[1] == written[2]


def test_ready_split_folders(folder):
    files = {f"{split}/{name}": content for split, name, content in _thirds()}
    make_zip(Path("pets.zip"), files)
    write_folder(Path("pets"), files)
    for root in ("pets", "pets.zip"):
        splits = {split: f"{root}/{split}" for split in ("train", "eval", "test")}
        assert run(split={"by": "files", **splits})["num_examples"] == {"train": 14, "eval": 13, "test": 13}
        assert by_content() == EXPECTED
    with pytest.raises(UserError, match=r"^pets\.zip/valid: holds no images\. Expected files in a folder for each class"):
        run(split={"by": "files", **splits, "eval": "pets.zip/valid"})


def _thirds():
    for number, (name, content) in enumerate(FILES.items()):
        yield ("train", "eval", "test")[number % 3], name, content


def test_bad_images_are_located(folder):
    bad = {
        "cat/aa.jpg": b"some text",
        "cat/bb.png": png()[:-20],
        "cat/cc.png": b"",
        "dog/dd.gif": film("GIF"),
        "dog/notes.txt": b"no image",
    }
    make_zip(Path("pets.zip"), {**FILES, **bad, "loose.png": png(999)})
    with pytest.raises(RecordError) as error:
        run(path="pets.zip")
    assert str(error.value) == (
        "pets.zip: cat/aa.jpg: it is no image: it begins with 'some text'. Expected an image that decodes to its end. "
        "Mend or remove the file, or set data.on_bad_record: quarantine to set such rows aside.\n"
        "… and 5 more bad records (in all: image 4, animated 1, label 1)."
    )
    report = run(path="pets.zip", on_bad_record="quarantine", max_reject_fraction=0.2)
    assert report["by_rule"] == {"image": 4, "animated": 1, "label": 1}
    assert [tuple(reject.values()) for reject in rejects()] == [
        ("pets.zip/cat/aa.jpg", "21", "", "", "image", "cat/aa.jpg"),
        ("pets.zip/cat/bb.png", "22", "", "", "image", "cat/bb.png"),
        ("pets.zip/cat/cc.png", "23", "", "", "image", "cat/cc.png"),
        ("pets.zip/dog/dd.gif", "34", "", "", "animated", "dog/dd.gif"),
        ("pets.zip/dog/notes.txt", "45", "", "", "image", "dog/notes.txt"),
        ("pets.zip/loose.png", "46", "label", "", "label", "loose.png"),
    ]
    kept = {path.name: path.read_bytes() for path in Path("report/rejected").iterdir()}
    assert kept == {
        "001_image.bin": bad["cat/aa.jpg"],
        "002_image.png": bad["cat/bb.png"],
        "004_animated.gif": bad["dog/dd.gif"],
        "005_image.bin": bad["dog/notes.txt"],
        "006_label.png": png(999),
    }


def test_a_folder_names_the_file_itself(folder):
    write_folder(Path("pets"), {**FILES, "cat/aa.jpg": b"x"})
    with pytest.raises(RecordError, match=r"^pets/cat/aa\.jpg: it is no image: it begins with 'x'\. Expected"):
        run(path="pets")


def test_a_link_that_leads_nowhere_is_a_bad_record(folder):
    write_folder(Path("pets"), FILES)
    Path("pets/cat/aa.png").symlink_to("nowhere")
    with pytest.raises(RecordError, match=r"^pets/cat/aa\.png: the file can't be read: No such file or directory\. Expected"):
        run(path="pets")


def test_converted_images_are_counted(folder):
    write_folder(Path("pets"), {**FILES, "cat/aa.jpg": rotated_jpeg(), "cat/bb.gif": film("GIF"), "cat/cc.png": png(0)})
    report = run(path="pets", images={"image": {"animated": "first_frame"}})
    assert report["images"] == {
        "num_converted": {"first_frame": 1, "rotated": 1, "format": 1},
        "num_copies": 1,
        "ignored_files": 0,
    }
    assert summary({**report, "num_examples": {"train": 43, "eval": 0, "test": 0}}) == (
        "43 records in 1 file → 43 examples (43 train, 0 eval, 0 test), 0 rejects\n"
        "10 columns (4 integers, 3 numbers, 2 strings, 1 image), label label\n"
        "images written anew: first_frame 1, rotated 1, format 1\n"
        "copies of earlier images: 1"
    )
    assert Counter(example["image_copies"] for example in examples()) == {0: 42, 1: 1}


def test_nothing_there(folder):
    Path("empty").mkdir()
    with pytest.raises(UserError) as error:
        run(path="empty")
    assert str(error.value) == "empty: holds no images. Expected files in a folder for each class. Add data."
    with pytest.raises(ParamsError) as missing:
        run(path="nowhere")
    assert str(missing.value) == (
        "data.path: no images at 'nowhere', from the repository's root. Expected a folder, an archive "
        "(.zip, .tar, .tar.gz, .tgz), or a pattern that matches folders, archives or images."
    )


def test_the_digest_tells_folders_apart_by_classes(folder):
    first = run(path=str(write_folder(Path("a"), FILES)))["data_digest"]
    assert run(path=str(write_folder(Path("b"), FILES)))["data_digest"] == first
    renamed = {name.replace("dog/", "wolf/"): content for name, content in FILES.items()}
    assert run(path=str(write_folder(Path("c"), renamed)))["data_digest"] != first


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"images": {"a": {}, "b": {}}}, "a folder has one column of images, got a, b; name one, or none for 'image'"),
        ({"images": {"a": {"root": "x"}}}, "a.root: only tables name paths, and data.format is images; remove the key"),
        (
            {"format": "lines", "images": {"a": {}}},
            "tables, arrays and image folders have images, and data.format is lines; remove the key",
        ),
    ],
)
def test_parameters_that_do_not_go_together(params, problem):
    with pytest.raises(ValueError, match="validation error") as error:
        DataParams.model_validate({"format": "images", "path": "x", "label": "label", **params})
    assert error.value.errors()[0]["msg"] == f"Value error, {problem}"


def test_fashion(folder):
    report = run(path=str(FASHION))
    assert report["num_records_in"] == 5000
    assert report["num_rejects"] == 0
    with zipfile.ZipFile(FASHION) as archive:
        expected = {archive.read(name): name.split("/")[0] for name in archive.namelist()}
    assert by_content() == expected
    assert json.loads(Path("report/ingest.json").read_text(encoding="utf-8")) == report


def test_workers_import_nothing_heavy():
    code = (
        "import sys; import components.ingest.image_worker;"
        "print([name for name in ('tensorflow', 'pyarrow', 'tfx', 'pandas', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=FASHION.parents[2])
    assert done.stdout == "[]\n"
