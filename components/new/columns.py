"""What a table's columns are good for: features of which kind, or none, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from components.ingest.check import Seen
from components.new.render import listed

MOST_LISTED = 1000
"""Values of a category that get an id of their own unless more is said (recipes/tabular/params.py)."""
MOST_SLICED = 10
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|UTC|[+-]\d{2}:?\d{2}))?)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( \d{1,2}:\d{2}(:\d{2})?( ?[AaPp][Mm])?)?",
    re.ASCII,
)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
_ID_NAME = re.compile(r"(?i)(^|[_\W])(id|ids|uuid|guid|key|index|row|no|nr|number)$|[a-z]I[dD]$|^unnamed", re.ASCII)
_CODE_NAME = re.compile(
    r"(?i)(^|[_\W])(code|zip|zipcode|postcode|plz|category|type|kind|class|region|area|cluster)$", re.ASCII
)
_TIME_NAME = re.compile(r"(?i)time|date", re.ASCII)
_A_TIMESTAMP = 100_000_000
"""Seconds from 1970 to 1973."""
_MOMENT = "A moment never comes again."
_MOST_CODES = 1000


@dataclass
class Judgement:
    """What becomes of the columns that are not the label; every list by its reason.

    Attributes:
        drop: Of which no example needs to know.
        ignore: That stay in the data contract and are no feature.
        codes: Whole numbers that are names of things: categories.
        hashed: Categories of so many values that no list of them should be kept.
        numbers: Features that are numbers.
        categories: Features that are categories, with the number of their values; None for very many.
        texts: That hold sentences.
        dates: Of `ignore`, those that tell a time.
        phrases: Of `drop`, those that are texts of a few words.
    """

    drop: dict[str, list[str]] = field(default_factory=dict)
    ignore: dict[str, list[str]] = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)
    hashed: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    categories: dict[str, int | None] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    phrases: list[str] = field(default_factory=list)

    def rename(self, names: Mapping[str, str]) -> Judgement:
        """The same of renamed columns; those of `drop` keep their names."""

        def new(old: Iterable[str]) -> list[str]:
            return [names.get(name, name) for name in old]

        return replace(
            self,
            ignore={why: new(ignored) for why, ignored in self.ignore.items()},
            codes=new(self.codes),
            hashed=new(self.hashed),
            numbers=new(self.numbers),
            categories={names.get(name, name): count for name, count in self.categories.items()},
            texts=new(self.texts),
            dates=new(self.dates),
        )

    @property
    def num_features(self) -> int:
        """Columns that are left to learn from, texts not counted."""
        return len(self.numbers) + len(self.categories)

    @property
    def slices(self) -> list[str]:
        """Columns by which it is worth judging a model apart: those of few values."""
        return [name for name, count in self.categories.items() if count is not None and 2 <= count <= MOST_SLICED][:2]


def judge(columns: Mapping[str, Seen], heads: Mapping[str, Sequence[Any]], texts: Sequence[str], num_good: int) -> Judgement:
    """Judges each column by all of its values, and by the names where values leave it open.

    Args:
        columns: What they hold, without the label and what is measured.
        heads: Column → its first values.
        texts: Those that hold sentences.
        num_good: Records.
    """
    result = Judgement()
    for name, seen in columns.items():
        if name in texts:
            result.texts.append(name)
        elif seen.num_values * 200 < num_good:
            why = f"Missing in {num_good - seen.num_values:,} of {num_good:,} records."
            result.drop.setdefault(why, []).append(name)
        elif seen.counts is not None and len(seen.counts) == 1 and seen.num_values == num_good:
            result.drop.setdefault("The same value in every record: nothing to tell them apart by.", []).append(name)
        elif seen.kind == "string":
            _string(result, name, seen, heads.get(name, ()), num_good)
        else:
            _number(result, name, seen, num_good)
    return result


def _string(result: Judgement, name: str, seen: Seen, head: Sequence[str], num_good: int) -> None:
    num_different = None if seen.counts is None else len(seen.counts)
    if head and sum(_DATE.fullmatch(value.strip()) is not None for value in head) >= 0.95 * len(head):
        why = (
            f"Dates and times. {_MOMENT} Derive from them what does, or put a column for the month or the hour into the data. "
            "To judge by what came last, split: {by: time, column: …, eval_from: …, test_from: …}."
        )
        result.ignore.setdefault(why, []).append(name)
        result.dates.append(name)
    elif head and all(_DECIMAL_COMMA.fullmatch(value.strip()) for value in head):
        why = (
            "Numbers with a decimal comma, which are text to ingest. Write decimal points in the data, then take them out "
            "here."
        )
        result.ignore.setdefault(why, []).append(name)
    elif num_different is not None and num_different > max(num_good / 2, 10):
        how_many = f"{num_different:,} different strings in {num_good:,} records"
        why = (
            "Each record has its own: it tells which one it is, not what kind."
            if num_different == seen.num_values
            else f"{how_many}: nearly each record has its own, so the next one's will be new."
        )
        result.drop.setdefault(why, []).append(name)
        if sum(len(value.split()) for value in head) > 1.5 * len(head):
            result.phrases.append(name)
    else:
        result.categories[name] = num_different
        if num_different is None or num_different > MOST_LISTED:
            result.hashed.append(name)


def _number(result: Judgement, name: str, seen: Seen, num_good: int) -> None:
    if seen.kind == "integer" and _is_id(name, seen, num_good):
        why = "Another whole number in each record, or one after the other: it tells which one it is, not what kind."
        result.drop.setdefault(why, []).append(name)
        return
    if seen.kind == "integer" and seen.counts and 2 < len(seen.counts) <= _MOST_CODES and _CODE_NAME.search(name):
        result.codes.append(name)
        result.categories[name] = len(seen.counts)
        return
    if seen.kind == "integer" and _TIME_NAME.search(name) and seen.least is not None and seen.least >= _A_TIMESTAMP:
        result.ignore.setdefault(f"By its name and size a time, in seconds or so. {_MOMENT}", []).append(name)
        result.dates.append(name)
        return
    result.numbers.append(name)


def _is_id(name: str, seen: Seen, num_good: int) -> bool:
    if seen.num_values < num_good or num_good < 20 or seen.least is None or seen.greatest is None:
        return False
    is_unique = len(seen.counts) == seen.num_values if seen.counts is not None else None
    is_run = seen.greatest - seen.least + 1 == seen.num_values
    if is_unique is None:  # too many values to keep
        return is_run or bool(_ID_NAME.search(name))
    return is_unique and (is_run or bool(_ID_NAME.search(name)))


def summary(result: Judgement) -> str:
    """What a tabular recipe has to learn from, in words."""
    parts = []
    if result.numbers:
        parts.append(_counted(len(result.numbers), "number", "numbers"))
    if result.categories:
        parts.append(f"{_counted(len(result.categories), 'category', 'categories')} ({listed(result.categories, 5)})")
    return " and ".join(parts)


def _counted(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"
