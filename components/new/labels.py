"""What is to be learned: classes, a quantity, or nothing that can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import UserError
from components.new.render import listed, shown

MAX_CLASSES = 100
"""The schema that TFDV infers lists the values of a label that has no more."""
MAX_NUMBER_CLASSES = 20
"""A label of whole numbers that has more values is a quantity."""
MIN_RECORDS = 20
MIN_IN_CLASS = 5
"""Records of a class, of two, without which train, eval and test could hardly all have some."""
RARE = 0.1
"""A share of a class below which accuracy says little."""


@dataclass(frozen=True)
class Label:
    """What the label is.

    Attributes:
        name: Of the column.
        kind: Classes, or a quantity.
        counts: Value → how many records, of classes, in the order of the classes.
        cast: What `data.cast` must make of it; None for what it is.
        why: Why it is taken so.
        baseline: Of a quantity: the mean absolute error of always answering the median.
    """

    name: str
    kind: Literal["classes", "quantity"]
    counts: dict[Any, int]
    cast: Literal["integer", "string"] | None = None
    why: str = ""
    baseline: float = 0.0

    @property
    def num_records(self) -> int:
        """That have a class."""
        return sum(self.counts.values())

    @property
    def rarest(self) -> tuple[Any, float]:
        """The class that fewest records have, and their share."""
        value = min(self.counts, key=lambda each: self.counts[each])
        return value, self.counts[value] / self.num_records

    @property
    def majority(self) -> float:
        """Share of the most frequent class."""
        return max(self.counts.values()) / self.num_records


def check_size(path: str, num_good: int, messages: Sequence[str] = ()) -> None:
    """Raises a UserError if there is too little to learn from and to judge by."""
    if num_good >= MIN_RECORDS:
        return
    shown_messages = "".join(f"\n  {message}" for message in messages)
    rejected = " The first that can't be used:" + shown_messages if messages else ""
    raise UserError(
        f"{path}: {num_good:,} good record{'' if num_good == 1 else 's'}. Expected {MIN_RECORDS} or more, so that train, eval "
        f"and test each get some. Add data.{rejected}"
    )


def classes_from(name: str, path: str, counts: Counter[Any] | None) -> Label:
    """A label of classes whose records are counted already. Raises: UserError if it is none."""
    if counts is None:
        raise UserError(f"{path}: the label {shown(name)} has more than 10,000 different values. Expected classes.")
    return judge(name, path, pa.array([value for value, count in counts.items() for _ in range(count)]))


def judge(name: str, path: str, values: pa.Array) -> Label:
    """What a label's values make of it.

    Args:
        name: Of the column.
        path: Of the data, for messages.
        values: Of the good records; string, int64 or double.

    Raises: UserError if nothing can be learned of it.
    """
    counted = {each["values"]: each["counts"] for each in pc.value_counts(values.drop_null()).to_pylist()}
    counts = {value: counted[value] for value in sorted(counted)}
    if len(counts) == 1:
        (only,) = counts
        raise UserError(
            f"{path}: the label {shown(name)} is {shown(only)} in all {len(values):,} records. Expected two classes or more, "
            "or different numbers. Add records of another class, or choose another label."
        )
    if values.type == pa.string():
        return _of_strings(name, path, counts)
    whole = all(float(value).is_integer() for value in counts)
    if not whole or len(counts) > MAX_NUMBER_CLASSES:
        return _quantity(name, path, values, len(counts))
    low, high = int(min(counts)), int(max(counts))
    if high - low + 1 > len(counts):
        why = (
            f"The label has {len(counts)} values, {listed(map(int, counts))}. As integers all from {low} to {high} would be "
            "classes; as strings just these are."
        )
        as_text = {(str(int(value)) if values.type == pa.int64() else str(value)): count for value, count in counts.items()}
        return _checked(Label(name, "classes", dict(sorted(as_text.items())), "string", why), path)
    cast: Literal["integer"] | None = "integer" if values.type == pa.float64() else None
    why = "The label's numbers are whole and few: classes." if cast else ""
    return _checked(Label(name, "classes", {int(value): count for value, count in counts.items()}, cast, why), path)


def _of_strings(name: str, path: str, counts: dict[Any, int]) -> Label:
    num_records = sum(counts.values())
    if len(counts) > MAX_CLASSES or len(counts) > num_records / 2:
        decimal = all(_is_decimal_comma(value) for value in list(counts)[:100])
        mend = (
            "They look like numbers with a decimal comma: write decimal points."
            if decimal
            else "Choose another label. No recipe learns to write texts, and ids say nothing of the next record."
        )
        raise UserError(
            f"{path}: the label {shown(name)} has {len(counts):,} different strings in {num_records:,} records, as "
            f"{listed(list(counts)[:3])}. Expected at most {MAX_CLASSES} classes, each with several records, or numbers. "
            f"{mend}"
        )
    return _checked(Label(name, "classes", counts), path)


def _is_decimal_comma(value: str) -> bool:
    before, comma, after = value.strip().removeprefix("-").partition(",")
    return bool(comma) and before.isdigit() and after.isdigit()


def _checked(label: Label, path: str) -> Label:
    rarest, _ = label.rarest
    if len(label.counts) == 2 and label.counts[rarest] < MIN_IN_CLASS:
        raise UserError(
            f"{path}: {label.counts[rarest]} of {label.num_records:,} records have the label {shown(rarest)}. Expected "
            f"{MIN_IN_CLASS} or more of each class, so that train, eval and test each get some. Add data."
        )
    return label


def _quantity(name: str, path: str, values: pa.Array, num_different: int) -> Label:
    numbers = values.drop_null().cast(pa.float64()).to_numpy()
    error = float(np.mean(np.abs(numbers - np.median(numbers))))
    if not error or not np.isfinite(error):
        raise UserError(
            f"{path}: the label {shown(name)} is hardly ever another number than {np.median(numbers):g}. Expected numbers "
            "that differ. Choose another label."
        )
    return Label(name, "quantity", {}, None, f"The label has {num_different:,} different numbers: a quantity.", error)
