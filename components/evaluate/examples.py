"""Examples to look at: what the model got wrong and is most certain of, and what it got right, with images and texts.

A number says how often a model errs, an example says why: a wrong label, a cut-off image, an irony. Only the records that are
shown are decoded, and images are made small at once, so memory does not grow with their number or size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from components.contact_sheet import thumbnail
from components.evaluate.model_info import ModelInfo
from components.evaluate.predictions import TEST_SPLIT, Predictions
from components.examples_table import read_serialized

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

NUM_WRONG = 16
NUM_FEW = 8
"""Of the groups beside the first."""
MAX_CLASSES = 12
"""Of right ones, as many classes are shown, the most frequent ones."""
NUM_PER_CLASS = 2
MAX_CHARS = 500
"""A longer text is cut off."""
SOURCE = "source"
"""The column in which ingest writes what file a record came from, if any."""


@dataclass(frozen=True)
class Example:
    """One example of the test split.

    Attributes:
        record: Its position in the test split, as in predictions.parquet.
        label, prediction: Names of classes, or numbers.
        probability: Of the predicted class; None of a regression.
        label_probability: Of the actual class; None of a regression.
        inputs: Raw column → value, without the images; None where missing.
        picture: Its images side by side, RGB, each a thumbnail; None where there are none, or none that can be drawn.
    """

    record: int
    label: str | float
    prediction: str | float
    probability: float | None
    label_probability: float | None
    inputs: dict[str, Any]
    picture: Image.Image | None


@dataclass(frozen=True)
class Group:
    """Examples that are shown together, in their order; `name` is that in the files, `title` that for people."""

    name: str
    title: str
    examples: list[Example]


@dataclass(frozen=True)
class ExampleGroups:
    """The groups of wrong and of right examples; without any where the model takes neither images nor texts."""

    wrong: list[Group] = field(default_factory=list)
    right: list[Group] = field(default_factory=list)


def pick_examples(examples: Path, model: ModelInfo, predictions: Predictions) -> ExampleGroups:
    """Picks examples of a model that takes images or texts and knows right from wrong, and reads them.

    Args:
        examples: Folder of the Examples artifact.
        model: What its model.json says.
        predictions: Of the test split.
    """
    if model.kind in ("scored", "ranking") or not model.inputs_of("image", "text"):
        return ExampleGroups()
    wrong, right = _of_regression(predictions) if model.kind == "regression" else _of_classifier(predictions)
    records = {int(row) for rows in [*wrong.values(), *right.values()] for row in rows}
    contents = dict(_read(examples, model, records))

    def groups(picked: dict[str, NDArray]) -> list[Group]:
        return [
            Group(name, TITLES[name], [_example(int(row), model, predictions, *contents[int(row)]) for row in rows])
            for name, rows in picked.items()
            if len(rows)
        ]

    return ExampleGroups(groups(wrong), groups(right))


TITLES = {
    "certain_wrong": "Wrong, the most certain first",
    "highest_loss": "Of the other wrong ones, those of the highest loss",
    "uncertain_right": "Right, the least certain first",
    "certain_right": "Right, the most certain of each class",
    "largest_error": "The largest errors",
    "smallest_error": "The smallest errors",
}
"""Name of a group → what it shows."""


def _of_classifier(predictions: Predictions) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Group → records, of wrong and of right predictions. No record is in two groups of one kind.

    The loss of an example is that of its label's probability alone. With two classes it orders wrong ones as certainty does.
    """
    labels, chosen = predictions.labels, predictions.classes
    of_label, of_chosen = _probabilities(predictions, labels), _probabilities(predictions, chosen)
    wrong, right = np.flatnonzero(labels != chosen), np.flatnonzero(labels == chosen)
    certain_wrong = _first(wrong, -of_chosen, NUM_WRONG)
    rest = np.setdiff1d(wrong, certain_wrong)
    highest_loss = rest[:0] if predictions.outputs.ndim == 1 else _first(rest, of_label, NUM_FEW)
    uncertain_right = _first(right, of_chosen, NUM_FEW)
    rest = np.setdiff1d(right, uncertain_right)
    counts = np.bincount(labels)
    frequent = np.sort(np.argsort(-counts, kind="stable")[:MAX_CLASSES])
    by_class = [_first(rest[labels[rest] == each], -of_chosen, NUM_PER_CLASS) for each in frequent]
    return (
        {"certain_wrong": certain_wrong, "highest_loss": highest_loss},
        {"uncertain_right": uncertain_right, "certain_right": np.concatenate(by_class)},
    )


def _of_regression(predictions: Predictions) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    rows, errors = np.arange(len(predictions.labels)), np.abs(predictions.outputs - predictions.labels)
    largest = _first(rows, -errors, NUM_WRONG)
    return {"largest_error": largest}, {"smallest_error": _first(np.setdiff1d(rows, largest), errors, NUM_FEW)}


def _first(rows: NDArray, order: NDArray, count: int) -> NDArray:
    """The `count` rows of the least `order`, least first; ties by position."""
    return rows[np.argsort(order[rows], kind="stable")[:count]]


def _probabilities(predictions: Predictions, classes: NDArray) -> NDArray:
    """The probability of one class an example, [N]."""
    outputs = predictions.outputs
    if outputs.ndim == 1:
        return np.where(classes == 1, outputs, 1 - outputs)
    return np.take_along_axis(outputs, classes[:, None], axis=1)[:, 0]


def _read(
    examples: Path, model: ModelInfo, records: Collection[int]
) -> Iterator[tuple[int, tuple[dict[str, Any], Image.Image | None]]]:
    """Of these records of the test split the inputs without images, and the images as one small picture."""
    from tensorflow.core.example import example_pb2

    shown, images = [*model.inputs_of("text", "string", "number"), SOURCE], model.inputs_of("image")
    record = -1
    for batch in read_serialized(examples, TEST_SPLIT):
        for serialized in batch:
            record += 1
            if record not in records:
                continue
            features = example_pb2.Example.FromString(serialized).features.feature
            inputs = {name: _value(features[name]) for name in shown if name in features or name != SOURCE}
            encoded = [value for name in images for value in features[name].bytes_list.value[:1]]
            yield record, (inputs, _side_by_side([image for image in map(thumbnail, encoded) if image is not None]))


def _value(feature: Any) -> Any:
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    if kind == "bytes_list":
        values = [_cut(each.decode("utf-8", "replace")) for each in values]
    return (values[0] if len(values) == 1 else str(values)) if values else None


def _cut(text: str) -> str:
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 1] + "…"


def _side_by_side(images: list[Image.Image]) -> Image.Image | None:
    if len(images) < 2:
        return images[0] if images else None
    from PIL import Image

    gap = 4
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    joined = Image.new("RGB", (width, max(image.height for image in images)), "white")
    left = 0
    for image in images:
        joined.paste(image, (left, 0))
        left += image.width + gap
    return joined


def _example(
    row: int, model: ModelInfo, predictions: Predictions, inputs: dict[str, Any], picture: Image.Image | None
) -> Example:
    label, predicted = predictions.labels[row], predictions.outputs[row]
    if model.kind == "regression":
        return Example(row, float(label), float(predicted), None, None, inputs, picture)
    one = Predictions(predictions.labels[[row]], predictions.outputs[[row]], predictions.columns.iloc[[row]])
    chosen = one.classes
    return Example(
        record=row,
        label=model.class_names[label],
        prediction=model.class_names[int(chosen[0])],
        probability=float(_probabilities(one, chosen)[0]),
        label_probability=float(_probabilities(one, one.labels)[0]),
        inputs=inputs,
        picture=picture,
    )


def example_table(groups: list[Group]) -> pd.DataFrame:
    """A row an example: group, record, label, prediction; probability and label_probability of a classifier; the inputs."""
    import pandas as pd

    rows = []
    for group in groups:
        for example in group.examples:
            row: dict[str, Any] = {"group": group.name, "record": example.record}
            row |= {"label": example.label, "prediction": example.prediction}
            if example.probability is not None:
                row |= {"probability": example.probability, "label_probability": example.label_probability}
            rows.append(row | {name if name not in row else f"column_{name}": value for name, value in example.inputs.items()})
    return pd.DataFrame(rows)
