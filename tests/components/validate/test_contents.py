"""One pass finds words, repeats and samples, and tells them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.bridge.outcome import Outcome
from components.validate.contents import CONTENTS_FILE, write_contents
from components.validate.contents_report import add_contents

SPLITS = ("train", "eval", "test")


def told(folder: Path) -> tuple[dict[str, Any], Outcome]:
    report = json.loads((folder / CONTENTS_FILE).read_text(encoding="utf-8"))
    result = Outcome()
    add_contents(result, report)
    return report, result


def test_images_are_counted_and_shown_by_class(tmp_path: Path, fashion_examples: Path) -> None:
    write_contents(fashion_examples, SPLITS, ["image"], [], "label", tmp_path / "contents")
    _, result = told(tmp_path / "contents")
    assert result.lines == [
        "label: 3 classes, of 16 (coat) to 17 (bag) train examples",
        "image: 62 images; nearly empty (contrast below 0.01): 1, copies of earlier ones: 1, with two labels: 1",
    ]
    assert result.metrics == {
        "num_classes": 3,
        "largest_to_smallest_class": 17 / 16,
        "image_num_nearly_empty": 1,
        "image_num_copies": 1,
        "image_num_in_two_splits": 0,
        "image_num_label_conflicts": 1,
    }
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert files == [
        *(f"contents/image/classes/{name}.png" for name in ("000_bag", "001_coat", "002_dress")),
        *(f"contents/image/{name}.png" for name in ("copies", "nearly_empty", "two_labels")),
    ]


def test_the_sheets_are_the_same_bytes_whatever_the_shards(
    tmp_path: Path, fashion: dict[str, list[dict[str, Any]]], write_examples: Callable[..., Path]
) -> None:
    forwards = write_examples(tmp_path / "forwards", fashion)
    backwards = write_examples(tmp_path / "backwards", {split: records[::-1] for split, records in fashion.items()})
    for examples in (forwards, backwards):
        write_contents(examples, SPLITS, ["image"], [], "label", examples / "contents")
    sheet = Path("contents", "image", "classes", "000_bag.png")
    assert (forwards / sheet).read_bytes() == (backwards / sheet).read_bytes()
    pixels = np.asarray(Image.open(forwards / sheet).convert("L"))
    assert pixels[60:].std() > 50  # black images on white


def test_texts_are_held_against_the_words_of_train(tmp_path: Path, review_examples: Path) -> None:
    write_contents(review_examples, SPLITS, [], ["text"], "sentiment", tmp_path / "contents")
    report, result = told(tmp_path / "contents")
    text = report["texts"]["text"]
    known = {word for word, _ in text["vocabulary"]["most_frequent"]}
    assert {"the", "and", "movie"} <= known
    assert not known & {word for word, _ in text["unknown_words"]["test"]["most_frequent"]}
    assert (text["num_in_two_splits"], text["num_repeated"], text["num_label_conflicts"]) == (1, 1, 0)
    fraction = 100 * text["unknown_words"]["eval"]["fraction"]
    assert 10 < fraction < 60
    assert f"not among them: {fraction:.1f}% of eval's" in result.lines[1]
    assert result.lines[2] == "text: Latin 100.0%; repeat an earlier text: 1, in two splits: 1"
    assert set(result.figures) == {"statistics/text_words.png", "statistics/text_length.png"}
    for figure in result.figures.values():
        figure.savefig(tmp_path / "figure.png")  # draws: mistakes in it show only now


def test_the_page_of_texts_escapes_them_and_shows_leaks_and_conflicts(
    tmp_path: Path, write_examples: Callable[..., Path]
) -> None:
    train = [{"text": "<script>alert(1)</script> x", "label": "a & b"}, {"text": "same  text", "label": "a & b"}]
    test = [{"text": "Same text", "label": "c"}, {"text": "y" * 10_000, "label": "c"}]
    examples = write_examples(tmp_path / "examples", {"train": train, "test": test})
    write_contents(examples, ("train", "test"), [], ["text"], "label", tmp_path / "contents")
    page = (tmp_path / "contents" / "text" / "texts.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; x</li>" in page
    assert "<h2>a &amp; b <small>2 train</small></h2>" in page
    assert "Same text<small>again in test, as c</small>" in page
    assert "Same text<small>a &amp; b, and again as c</small>" in page
    assert "y" * 299 + "…" in page
    assert "y" * 300 not in page


@pytest.mark.parametrize(("label", "values"), [(None, [0.5, 1.5]), ("price", [0.5, 1.5])])
def test_where_the_label_is_no_class_all_are_one(
    tmp_path: Path, write_examples: Callable[..., Path], label: str | None, values: list[float]
) -> None:
    records = [{"text": f"text {value}", "price": value} for value in values]
    examples = write_examples(tmp_path / "examples", {"train": records})
    write_contents(examples, ("train",), [], ["text"], label, tmp_path / "contents")
    report, result = told(tmp_path / "contents")
    assert report["classes"] == {"all": {"train": 2}}
    assert result.lines == ["text: 3 different words in train", "text: no script measured; no text comes twice"]
