"""Which examples are shown, in which order, and what is read of them."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from components.evaluate import examples as module
from components.evaluate.example_plots import example_grid, shown_probability
from components.evaluate.examples import example_table, pick_examples
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import Predictions


def model(kind: str, names: list[str], **inputs: str) -> ModelInfo:
    return ModelInfo(kind=kind, key_metric="", class_names=names, label="y", digest="", inputs=inputs)


def predictions(labels: list, outputs: list) -> Predictions:
    return Predictions(np.array(labels), np.array(outputs), pd.DataFrame(index=range(len(labels))))


def write(folder, records: list[dict]) -> None:
    (folder / "Split-test").mkdir()
    with tf.io.TFRecordWriter(str(folder / "Split-test" / "data")) as writer:
        for record in records:
            example = tf.train.Example()
            for name, value in record.items():
                feature = example.features.feature[name]
                if isinstance(value, int):
                    feature.int64_list.value.append(value)
                else:
                    feature.bytes_list.value.append(value)
            writer.write(example.SerializeToString())


def encode(colour: tuple, size: tuple[int, int] = (30, 20), mode: str = "RGB", kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, kind)
    return file.getvalue()


def texts(folder, count: int) -> None:
    write(folder, [{"text": b"sentence %d" % index} for index in range(count)])


def records(groups) -> dict[str, list[int]]:
    return {group.name: [example.record for example in group.examples] for group in groups}


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(module, "NUM_WRONG", 2)
    monkeypatch.setattr(module, "NUM_FEW", 1)


def test_wrong_ones_by_certainty_and_right_ones_by_class(few, tmp_path):
    scores = [0.9, 0.2, 0.6, 0.55, 0.1, 0.52, 0.97, 0.99, 0.3]
    labels = [0, 1, 0, 0, 0, 1, 1, 1, 0]
    texts(tmp_path, 9)
    found = pick_examples(tmp_path, model("binary", ["no", "yes"], text="text"), predictions(labels, scores))
    assert records(found.wrong) == {"certain_wrong": [0, 1]}
    assert records(found.right) == {"uncertain_right": [5], "certain_right": [4, 8, 7, 6]}
    table = example_table(found.wrong).round(6)
    assert table.to_dict("list") == {
        "group": ["certain_wrong", "certain_wrong"],
        "record": [0, 1],
        "label": ["no", "yes"],
        "prediction": ["yes", "no"],
        "probability": [0.9, 0.8],
        "label_probability": [0.1, 0.2],
        "text": ["sentence 0", "sentence 1"],
    }


def test_of_many_classes_the_highest_loss_is_not_always_the_most_certain(few, tmp_path):
    outputs = [[0.9, 0.06, 0.04], [0.5, 0.49, 0.01], [0.8, 0.19, 0.01], [0.5, 0.1, 0.4], [0.2, 0.3, 0.5]]
    texts(tmp_path, 5)
    found = pick_examples(tmp_path, model("multiclass", ["a", "b", "c"], text="text"), predictions([1, 2, 1, 2, 2], outputs))
    assert records(found.wrong) == {"certain_wrong": [0, 2], "highest_loss": [1]}
    assert records(found.right) == {"uncertain_right": [4]}


def test_only_as_many_classes_as_fit_the_most_frequent_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_CLASSES", 2)
    monkeypatch.setattr(module, "NUM_FEW", 0)
    labels = [0, 1, 1, 1, 2, 2]
    texts(tmp_path, 6)
    found = pick_examples(tmp_path, model("multiclass", ["a", "b", "c"], text="text"), predictions(labels, np.eye(3)[labels]))
    assert records(found.right) == {"certain_right": [1, 2, 4, 5]}
    assert found.wrong == []


def test_largest_and_smallest_errors(few, tmp_path):
    texts(tmp_path, 4)
    found = pick_examples(tmp_path, model("regression", [], text="text"), predictions([1.0, 2, 3, 4], [1.0, 5, 3.5, 2]))
    assert records(found.wrong) == {"largest_error": [1, 3]}
    assert example_table(found.right).to_dict("records") == [
        {"group": "smallest_error", "record": 0, "label": 1.0, "prediction": 1.0, "text": "sentence 0"}
    ]


def test_a_model_of_numbers_shows_none(tmp_path):
    found = pick_examples(tmp_path, model("binary", ["0", "1"], fare="number"), predictions([0], [0.9]))
    assert (found.wrong, found.right) == ([], [])


def test_inputs_are_read_and_long_texts_cut(tmp_path):
    content = {"text": "ü".encode() * 501, "age": 7, "city": b"Bonn", "source": b"a.csv", "other": b"-", "label": b"x"}
    write(tmp_path, [content, {"text": b"\xff"}])
    info = model("binary", ["no", "yes"], text="text", age="number", city="string", label="string")
    table = example_table(pick_examples(tmp_path, info, predictions([0, 0], [0.9, 0.8])).wrong)
    assert table.astype(object).where(table.notna(), None).to_dict("records") == [
        {
            "group": "certain_wrong", "record": 0, "label": "no", "prediction": "yes", "probability": 0.9,
            "label_probability": pytest.approx(0.1), "text": "ü" * 499 + "…", "city": "Bonn", "column_label": "x", "age": 7,
            "source": "a.csv",
        },
        {
            "group": "certain_wrong", "record": 1, "label": "no", "prediction": "yes", "probability": 0.8,
            "label_probability": pytest.approx(0.2), "text": "\ufffd", "city": None, "column_label": None, "age": None,
            "source": None,
        },
    ]  # fmt: skip


def test_images_are_small_pictures_side_by_side(tmp_path):
    write(
        tmp_path,
        [
            {"image": encode((255, 0, 0), (2000, 1000), kind="JPEG"), "mask": encode((0,), (30, 20), "L")},
            {"image": encode((1, 2, 3, 128), (10, 300), "RGBA")},
            {},
        ],
    )
    info = model("binary", ["no", "yes"], image="image", mask="image")
    found = pick_examples(tmp_path, info, predictions([0, 0, 0], [0.9, 0.8, 0.7]))
    first, second, third = found.wrong[0].examples
    assert first.picture is not None
    assert (first.picture.mode, first.picture.size) == ("RGB", (96 + 4 + 90, 60))  # the mask is enlarged three times
    assert first.picture.getpixel((5, 5)) == (254, 0, 0)
    assert first.picture.getpixel((98, 5)) == (255, 255, 255)
    assert first.picture.getpixel((140, 5)) == (0, 0, 0)
    assert second.picture is not None
    assert (second.picture.mode, second.picture.size) == ("RGB", (3, 96))
    assert third.picture is None
    assert list(example_table(found.wrong)) == ["group", "record", "label", "prediction", "probability", "label_probability"]


def test_grid_has_a_line_for_each_group_and_captions(tmp_path):
    write(tmp_path, [{"image": encode((index * 20, 0, 0))} for index in range(12)])
    outputs = np.tile([0.70, 0.20, 0.10], (12, 1))
    outputs[11] = [0.05, 0.0499, 0.9001]
    found = pick_examples(
        tmp_path, model("multiclass", ["a", "b" * 20, "c$"], image="image"), predictions([1] * 11 + [2], outputs)
    )
    figure = example_grid([*found.wrong, *found.right])
    assert figure is not None
    cells = np.array(figure.axes).reshape(3, 8)  # two lines of wrong ones, one of a right one
    captions = [[cell.get_xlabel() for cell in line if cell.get_xlabel()] for line in cells]
    wrong = f"{'b' * 12}… 0.200\n→ a 0.700"
    assert captions == [[wrong] * 8, [wrong] * 3, ["c\\$ 0.900"]]
    titles = [[text.get_text() for text in line[0].texts] for line in cells]
    assert titles == [["Wrong, the most certain first"], [], ["Right, the least certain first"]]


def test_no_grid_without_images(tmp_path):
    texts(tmp_path, 1)
    found = pick_examples(tmp_path, model("binary", ["no", "yes"], text="text"), predictions([0], [0.9]))
    assert example_grid(found.wrong) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.500"), (0.99996, "0.99996"), (0.9999999999, "1.0000000"), (1.0, "1"), (0.0, "0"), (2e-5, "0.00002")],
)
def test_what_is_not_certain_does_not_look_so(value, text):
    assert shown_probability(value) == text
