import gzip
import hashlib
from pathlib import Path

import pytest

from components.errors import ParamsError, UserError
from components.ingest.sources import digest, find_sources
from components.params.models import DataParams


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw data").mkdir()
    for name, text in {"b.csv": "x,y\n1,2\n", "a.csv": "y,x\n1,2\n", "notes.txt": "-"}.items():
        (tmp_path / "raw data" / name).write_text(text)
    (tmp_path / "raw data" / "c.csv.gz").write_bytes(gzip.compress(b"x,y\n1,2\n", mtime=0))
    (tmp_path / "other.csv").write_text("x,z\n1,2\n")
    return tmp_path


def find(**changes):
    return [(str(source.path), split) for source, split in find_sources(DataParams.model_validate({"label": "x", **changes}))]


def test_globs_are_sorted():
    assert find(path="raw data/*.csv*") == [
        ("raw data/a.csv", None),
        ("raw data/b.csv", None),
        ("raw data/c.csv.gz", None),
    ]
    assert find(path="**/b.csv") == [("raw data/b.csv", None)]


def test_split_files():
    split = {"by": "files", "train": "raw data/[ab].csv", "eval": "raw data/c.csv.gz", "test": "raw data/c.csv.gz"}
    with pytest.raises(ParamsError) as error:
        find(split=split)
    assert str(error.value) == "data.split.test: raw data/c.csv.gz is in eval too. Expected each file in one split."
    split |= {"train": "raw data/a.csv", "test": "raw data/b.csv"}
    assert find(split=split) == [("raw data/a.csv", "train"), ("raw data/c.csv.gz", "eval"), ("raw data/b.csv", "test")]


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        (
            {"path": "raw data/*.tsv"},
            ParamsError,
            "data.path: no file matches 'raw data/*.tsv', from the repository's root. "
            "In raw data there are: a.csv, b.csv, c.csv.gz, notes.txt.",
        ),
        (
            {"path": "nowhere/x.csv"},
            ParamsError,
            "data.path: no file matches 'nowhere/x.csv', from the repository's root. Folder nowhere holds no files.",
        ),
        (
            {"path": "raw data"},
            ParamsError,
            "data.path: raw data is a folder. Expected files, as raw data/*.csv.",
        ),
        (
            {"path": "**/*.csv"},
            UserError,
            "raw data/a.csv:1: no column 'z', which other.csv has. Expected the same columns in every file, in any order. "
            "The columns are y, x. Mend the header, or remove the file.",
        ),
        (
            {"path": "other.csv", "encoding": "utf9"},
            ParamsError,
            "data.encoding: no encoding 'utf9'. Expected a name that Python knows, as utf-8, cp1252 or utf-16, or "
            "auto to find it.",
        ),
        (
            {"path": "other.csv", "delimiter": '"'},
            ParamsError,
            "data.delimiter: '\"' can't separate fields. Expected an ASCII character, as ',' or ';'.",
        ),
    ],
)
def test_mistakes(changes, kind, message):
    with pytest.raises(UserError) as error:
        find(**changes)
    assert type(error.value) is kind
    assert str(error.value) == message


def test_the_digest_is_of_the_content():
    first = digest([Path("raw data/a.csv"), Path("raw data/b.csv")])
    assert first != digest([Path("raw data/b.csv"), Path("raw data/a.csv")])
    Path("raw data/a.csv").rename("renamed.csv")
    assert digest([Path("renamed.csv"), Path("raw data/b.csv")]) == first
    assert digest([Path("other.csv")]) == hashlib.sha256(hashlib.sha256(b"x,z\n1,2\n").digest()).hexdigest()
