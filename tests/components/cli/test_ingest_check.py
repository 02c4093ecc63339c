"""`tensorline ingest-check`: whole outputs."""

from __future__ import annotations

from pathlib import Path

import click.testing
import numpy as np
import pytest
from ruamel.yaml import YAML

from components.cli.ingest_check import command
from components.errors import UserError
from components.params.models import DataParams
from tests.components.ingest.image_files import encoded, film, picture, png, rotated_jpeg
from tests.components.ingest.test_image_source import FILES, write_folder


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def shown(*arguments: str) -> str:
    """What the command prints; its section `data` must be one, and the same files must be found with it."""
    done = click.testing.CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    DataParams.model_validate(YAML(typ="safe", pure=True).load(done.output[done.output.index("\ndata:") :])["data"])
    return done.output


def test_image_folder():
    bad = {"cat/aa.jpg": b"text", "cat/bb.png": b"", "dog/cc.gif": film("GIF"), "README.md": b"x"}
    more = {"dog/dd.jpg": rotated_jpeg(), "dog/ee.png": png(0), "dog/ff.png": encoded(picture())}
    write_folder(Path("pets"), {**FILES, **bad, **more})
    aside = "set data.on_bad_record: quarantine to set such rows aside."
    mend = f"Mend or remove the file, or {aside}"
    assert shown("pets") == (
        "pets: images, 1 file\n"
        "46 records: 43 good, 3 rejected\n"
        "\n"
        "column  kind    missing  values\n"
        "image   image         0  12–16 × 8–32 px, 1, 3 channels, PNG, JPEG\n"
        "label   string        0  2: cat 20, dog 23\n"
        "\n"
        "1 image held by an earlier file too (duplicates: keep; or reject)\n"
        "images that would be written anew: rotated 1\n"
        "1 file ignored: hidden, left by systems, or beside the class folders\n"
        "\n"
        "rejected by rule: image 2, animated 1. The first:\n"
        f"  pets/cat/aa.jpg: it is no image: it begins with 'text'. Expected an image that decodes to its end. {mend}\n"
        f"  pets/cat/bb.png: the file is empty. Expected an image that decodes to its end. {mend}\n"
        "  pets/dog/cc.gif: the image has 3 frames. Expected one. Save one frame, or set animated: first_frame in "
        f"data.images to take the first, or {aside}\n"
        "\n"
        "data:\n"
        "  format: images\n"
        "  path: pets\n"
        "  label: label\n"
        "  on_bad_record: quarantine\n"
        "  max_reject_fraction: 0.07\n"
    )


def test_images_without_classes():
    write_folder(Path("all"), {f"{number}.png": png(number) for number in range(3)})
    assert shown("all") == (
        "all: images, 1 file\n"
        "3 records: 3 good, 0 rejected\n"
        "\n"
        "column  kind   missing  values\n"
        "image   image        0  12 × 8 px, 1 channel, PNG\n"
        "\n"
        "data:\n"
        "  format: images\n"
        "  path: all\n"
        "  label: null  # there is no column to learn\n"
    )


def test_table_of_images_and_texts():
    write_folder(Path("data"), {f"{number}.png": png(number) for number in range(3)})
    rows = "".join(
        f"{number}.png;it is a rather long sentence;{number}.5;{number};{'ab'[number % 2]}\n" for number in range(3)
    )
    Path("data/table.csv").write_text("photo;note;size;age;class\n" + rows + "x.png;a;1;;a\n")
    assert shown("data/table.csv") == (
        "data/table.csv: csv, 1 file\n"
        "4 records: 3 good, 1 rejected\n"
        "\n"
        "column  kind     missing  values\n"
        "age     integer        0  0–2\n"
        "class   string         0  2: a 2, b 1\n"
        "note    text           0  28 characters, 6 words, Latin\n"
        "photo   image          0  12 × 8 px, 1 channel, PNG\n"
        "size    number         0  0.5–2.5\n"
        "\n"
        "rejected by rule: missing_file 1. The first:\n"
        "  data/table.csv:5: column 'photo': no file 'x.png' in data. Expected an image's path. Mend the path, or set root in "
        "data.images, or set data.on_bad_record: quarantine to set such rows aside.\n"
        "\n"
        "data:\n"
        "  path: data/table.csv\n"
        "  delimiter: ;\n"
        "  label: class\n"
        "  images:\n"
        "    photo: {}\n"
        "  texts:\n"
        "    note: {}\n"
        "  on_bad_record: quarantine\n"
        "  max_reject_fraction: 0.26\n"
    )


def test_arrays():
    np.savez("x.npz", image=np.zeros((4, 5, 6), np.uint8), age=np.arange(4))
    assert shown("x.npz", "--label", "age") == (
        "x.npz: npz, 1 file\n"
        "4 records: 4 good, 0 rejected\n"
        "\n"
        "column  kind     missing  values\n"
        "age     integer        0  4: 0 1, 1 1, 2 1, 3 1\n"
        "image   image          0  6 × 5 px, 1 channel, array\n"
        "\n"
        "3 images held by an earlier file too (duplicates: keep; or reject)\n"
        "images that would be written anew: array 4\n"
        "\n"
        "data:\n"
        "  format: npz\n"
        "  path: x.npz\n"
        "  images:\n"
        "    image: {}\n"
        "  label: age\n"
    )


def test_documents_and_a_long_text():
    write_folder(Path("mails"), {"ham/1.txt": b"Hello there", "spam/2.txt": b"Buy now", "spam/3.txt": b" "})
    assert shown("mails").splitlines()[:6] == [
        "mails: documents, 1 file",
        "3 records: 2 good, 1 rejected",
        "",
        "column  kind    missing  values",
        "label   string        0  2: ham 1, spam 1",
        "source  string        0  2: ham/1 1, spam/2 1",
    ]
    Path("long.txt").write_text("abcdefghi " * 50)
    assert shown("long.txt").splitlines()[:2] == ["long.txt: sequences, 1 file", "5 records: 5 good, 0 rejected"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nowhere"], "nowhere: nothing is there. Expected a file, a folder, an archive or a pattern."),
        (["x.csv", "--label", "c"], "data.label: no column 'c'. The columns are a, b."),
        (["x.csv", "--format", "pdf"], None),
        (
            ["bad.zip"],
            "bad.zip: cannot be read: it has no directory at its end. Expected a zip archive. Mend or remove the file.",
        ),
    ],
)
def test_mistakes(arguments, problem):
    Path("x.csv").write_text("a,b\n1,2\n")
    Path("bad.zip").write_text("no archive")
    with pytest.raises(UserError) as error:
        click.testing.CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert error.value.exit_code == 2
    if problem:
        assert str(error.value) == problem
    else:
        assert str(error.value).startswith("data.format: Input should be 'csv', 'jsonl'")


def test_nothing_usable():
    write_folder(Path("pets"), {"cat/1.png": b"x"})
    with pytest.raises(UserError) as error:
        click.testing.CliRunner().invoke(command, ["pets"], catch_exceptions=False)
    assert str(error.value) == "pets: no record is good. The messages above say why."
