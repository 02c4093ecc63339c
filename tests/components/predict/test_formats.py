"""Every format that ingest reads is predicted too: which record each answer is of, in what order, and what is set aside."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.predict.predict import Predicted

ROOT = Path(__file__).parents[3]
Ask = Callable[..., tuple[Predicted, pd.DataFrame]]


@pytest.fixture(scope="session")
def clothes() -> np.ndarray:
    """Some pictures of data/fashion_npz, uint8 [8, 28, 28]."""
    with np.load(ROOT / "data" / "fashion_npz" / "fashion_4k.npz") as file:
        return np.asarray(file["image"][:8]).reshape(8, 28, 28)


def png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def means(pictures: np.ndarray) -> np.ndarray:
    return pictures.reshape(len(pictures), -1).mean(axis=1)


def test_npz(ask_echo: Ask) -> None:
    np.savez("b.npz", miles=np.array([3.5, np.nan]), company=np.array(["c", "d"]), other=np.arange(2))
    np.savez("a.npz", miles=np.array([1.5, 2.5]), company=np.array(["a", "b"]), other=np.arange(2))
    data = {"format": "npz", "path": "old.npz", "label": "tips"}
    done, found = ask_echo({"miles": "number", "company": "string"}, data, "?.npz", ["other"])
    assert done.num_records == 4
    assert found[["file", "row", "other", "seen_company"]].values.tolist() == [
        ["a.npz", 1, 0, "a"],
        ["a.npz", 2, 1, "b"],
        ["b.npz", 1, 0, "c"],
        ["b.npz", 2, 1, "d"],
    ]
    np.testing.assert_array_equal(found["seen_miles"], [1.5, 2.5, 3.5, np.nan])


def test_npy(ask_echo: Ask) -> None:
    Path("new").mkdir()
    np.save("new/miles.npy", np.array([1.5, 2.5, 3.5]))
    np.save("new/company.npy", np.array(["a", "b", "c"]))
    data = {"format": "npy", "path": "old/*.npy", "label": None}
    _, found = ask_echo({"miles": "number", "company": "string"}, data, "new/*.npy")
    assert found[["file", "row", "seen_miles", "seen_company"]].values.tolist() == [
        ["new", 1, 1.5, "a"],
        ["new", 2, 2.5, "b"],
        ["new", 3, 3.5, "c"],
    ]


def test_pictures_in_arrays(ask_echo: Ask, clothes: np.ndarray) -> None:
    np.savez("new.npz", image=clothes)
    data = {"format": "npz", "path": "old.npz", "label": "label", "images": {"image": {}}}
    _, found = ask_echo({"image": "image"}, data, "new.npz")
    assert found[["file", "row"]].values.tolist() == [["new.npz", row] for row in range(1, 9)]
    np.testing.assert_allclose(found["seen_image"], means(clothes), atol=1e-3)


def test_pictures_in_a_folder_and_an_archive(ask_echo: Ask, clothes: np.ndarray) -> None:
    """New pictures have no class: they lie in the folder itself, or deeper."""
    Path("new/more").mkdir(parents=True)
    names = ["b.png", "a.png", "more/c.png"]
    for name, picture in zip(names, clothes, strict=False):
        (Path("new") / name).write_bytes(png(picture))
    Path("new/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing")
    with zipfile.ZipFile("new.zip", "w") as archive:
        for name in sorted(names):
            archive.write(f"new/{name}", name)
    data = {"format": "images", "path": "old", "label": "class"}
    expected = dict(zip(names, means(clothes), strict=False))
    for path, done_rejects in (("new", 1), ("new.zip", 0)):
        done, found = ask_echo({"image": "image"}, data, path)
        assert sum(done.by_rule.values()) == done_rejects
        assert found["file"].tolist() == [f"{path}/{name}" for name in sorted(names)]
        np.testing.assert_allclose(found["seen_image"], [expected[name] for name in sorted(names)], atol=1e-3)
    assert done.rejects.read_text().splitlines() == ["file,line,column,value,rule,record"]


def test_a_table_of_paths_of_pictures(ask_echo: Ask, clothes: np.ndarray) -> None:
    Path("pictures").mkdir()
    for number, picture in enumerate(clothes[:3]):
        Path(f"pictures/{number}.png").write_bytes(png(picture))
    with Path("new.csv").open("w", newline="") as file:
        rows = [["id", "picture"], ["x", "pictures/2.png"], ["y", "pictures/9.png"], ["z", "pictures/0.png"]]
        csv.writer(file, lineterminator="\n").writerows(rows)
    data = {"path": "old.csv", "label": "class", "images": {"picture": {}}}
    done, found = ask_echo({"picture": "image"}, data, "new.csv", ["id"])
    assert done.by_rule == {"missing_file": 1}
    assert found[["file", "row", "id"]].values.tolist() == [["new.csv", 1, "x"], ["new.csv", 3, "z"]]
    np.testing.assert_allclose(found["seen_picture"], means(clothes)[[2, 0]], atol=1e-3)


def test_documents(ask_echo: Ask) -> None:
    Path("new/deep").mkdir(parents=True)
    Path("new/b.txt").write_text("second\nwith two lines", encoding="utf-8")
    Path("new/a.txt").write_text("first", encoding="utf-8")
    Path("new/c.txt").write_text(" \n", encoding="utf-8")
    Path("new/deep/d.txt").write_text("déjà", encoding="utf-8")
    data = {"format": "documents", "path": "old", "label": "label"}
    done, found = ask_echo({"text": "text"}, data, "new")
    assert done.by_rule == {"empty": 1}
    assert found[["file", "seen_text"]].values.tolist() == [
        ["new/a.txt", "first"],
        ["new/b.txt", "second\nwith two lines"],
        ["new/deep/d.txt", "déjà"],
    ]


def test_lines(ask_echo: Ask) -> None:
    Path("b.txt").write_text("three\n", encoding="utf-8")
    Path("a.txt").write_text("one\n\ntwo\n", encoding="utf-8")
    data = {"format": "lines", "path": "old.txt", "label": None}
    _, found = ask_echo({"text": "text"}, data, "?.txt", ["source"])
    assert found[["file", "row", "source", "seen_text"]].values.tolist() == [
        ["a.txt", 1, "a", "one"],
        ["a.txt", 2, "a", "two"],  # an empty line is no record
        ["b.txt", 1, "b", "three"],
    ]


def test_sequences(ask_echo: Ask) -> None:
    Path("new.txt").write_text("abcdefghijklm", encoding="utf-8")
    data = {"format": "sequences", "path": "old.txt", "label": None, "sequences": {"length": 5, "stride": 4, "block": 2}}
    _, found = ask_echo({"text": "text"}, data, "new.txt")
    whole = "abcdefghijklm"
    starts = [whole.index(text[0]) for text in found["seen_text"]]
    assert starts == sorted(starts)
    assert [whole[start : start + len(text)] for start, text in zip(starts, found["seen_text"], strict=True)] == list(
        found["seen_text"]
    )
    assert found["row"].tolist() == list(range(1, len(found) + 1))
    assert found["seen_text"].iloc[0] == "abcde"


def test_one_side_of_pairs(ask_echo: Ask) -> None:
    Path("new.txt").write_text("In the beginning\nwas the word\n", encoding="utf-8")
    data = {"format": "pairs", "pairs": {"english": "en.txt", "spanish": "es.txt"}, "label": None}
    _, found = ask_echo({"english": "text"}, data, "new.txt")
    assert found[["file", "row", "seen_english"]].values.tolist() == [
        ["new.txt", 1, "In the beginning"],
        ["new.txt", 2, "was the word"],
    ]
