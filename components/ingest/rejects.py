"""Bad records: which rule they break, what the message says, and where they stand."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from components.ingest.kinds import Kind
from components.ingest.source import Located, Malformed, Rule, Source, indices_of

RULES: tuple[Rule, ...] = get_args(Rule)
SET_ASIDE = "set data.on_bad_record: quarantine to set such rows aside."
"""How the message about a bad record ends."""
_EXPECTED: dict[Kind, str] = {
    "number": "a number with a decimal point, such as 12.45",
    "integer": "a whole number of at most 64 bits",
}


@dataclass(frozen=True)
class Check:
    """A rule for one column.

    Attributes:
        rule: Its name, in rejects.csv and ingest.json.
        column: The column's name in the file; a derived column's own.
        problem: What is wrong, with `{value!r}` for the value.
        expected: What the value should have been.
        fix: What to do, beside setting such rows aside.
    """

    rule: Rule
    column: str
    problem: str
    expected: str
    fix: str = "Fix the file"

    @classmethod
    def encoding(cls, column: str, encoding: str) -> Check:
        """The text must be text."""
        return cls(
            "encoding", column, "{value!r} is not valid " + encoding, encoding, "Fix the file, or set data.encoding to its own"
        )

    @classmethod
    def type(cls, column: str, kind: Kind) -> Check:
        """The text must be of the kind that the schema or the cast says."""
        article = "an" if kind == "integer" else "a"
        return cls("type", column, f"cannot read {{value!r}} as {article} {kind}", _EXPECTED[kind])

    @classmethod
    def empty(cls, column: str, name: str) -> Check:
        """A text must hold something that can be seen; `name` is the column's in data.texts."""
        return cls(
            "empty",
            column,
            "the text is empty, or white space alone",
            "a text in every record",
            f"Fix the file, set data.texts.{name}.empty: keep",
        )

    @classmethod
    def overlong(cls, column: str, name: str, max_chars: int) -> Check:
        """A text must not be longer than `max_chars`; `name` is the column's in data.texts."""
        return cls(
            "overlong",
            column,
            "the text is too long",
            f"at most {max_chars:,} characters, data.texts.{name}.max_chars",
            "Shorten it, raise the limit, set overlong: truncate there",
        )

    @classmethod
    def nonfinite(cls, column: str, *, may_allow: bool = True) -> Check:
        """A number must be finite, as a 32-bit float too; `may_allow`: unless the user says otherwise."""
        return cls(
            "nonfinite",
            column,
            "{value!r} is not finite",
            "a number within 32-bit floats",
            "Fix the file, or name the column in data.allow_nonfinite" if may_allow else "Fix the file",
        )

    @classmethod
    def label(cls, column: str) -> Check:
        """The label must not be missing."""
        return cls("label", column, "the label is missing", "a label in every record")

    @classmethod
    def split(cls, column: str, expected: str) -> Check:
        """The split column must tell the split."""
        return cls("split", column, "{value!r} tells no split", expected, "Fix the file or data.split")

    @classmethod
    def time(cls, column: str, time_format: str | None) -> Check:
        """The row of a time series must tell its time."""
        return cls(
            "time", column, "cannot read {value!r} as a time", time_format or "an ISO 8601 date or time", "Fix data.windows"
        )

    @classmethod
    def order(cls, column: str) -> Check:
        """The rows of a time series must come in the order of their times."""
        return cls("time", column, "the time {value!r} is not later than that of a row before", "each time once, in order")

    @classmethod
    def copy(cls, column: str) -> Check:
        """Where copies are not wanted, an image must be a new one."""
        return cls(
            "duplicate",
            column,
            "the image is the same as {value}",
            "every image once, as duplicates: reject of data.images demands",
            "Remove it",
        )

    @classmethod
    def leak(cls, column: str, split: str) -> Check:
        """An image must not be in two splits."""
        problem = "the image is the same as {value}, which is in the split " + split
        return cls("duplicate", column, problem, "copies in one split", "Remove one of them")


@dataclass(frozen=True)
class Fault:
    """What is wrong with one record.

    Attributes:
        row: Row of the record in its file's blocks.
        check: What it breaks.
        value: What a derived column holds; None for a column of the file, whose value is found there.
        first: Number of the record that holds the same image, counted through all files but for malformed records.
    """

    row: int
    check: Check
    value: str | None = None
    first: int | None = None


@dataclass(frozen=True)
class Reject:
    """A bad record with its place; `record` is its text, `message` what the user is told.

    `line` is the row in formats without lines; `index` counts the file's records from 0;
    `fields` are its values in the header's order.
    """

    file: str
    line: int
    column: str
    value: str
    rule: Rule
    record: str
    message: str
    index: int
    fields: Sequence[str]


def locate(source: Source, faults: Sequence[Fault]) -> Iterator[Reject]:
    """Finds the bad records of a file, malformed ones among them, in the file's order."""
    file = str(source.path)
    by_index: dict[int, Fault | Malformed] = {malformed.index: malformed for malformed in source.malformed}
    by_index.update(zip(indices_of(source, [fault.row for fault in faults]), faults, strict=True))
    indices = sorted(by_index)
    for index, located in zip(indices, source.locate(indices), strict=True):
        where, name = place(source, located), located.file or file
        bad = by_index[index]
        if isinstance(bad, Malformed):
            about: Malformed | Check = bad
            problem, value = bad.problem, bad.value
        else:
            about, found = bad.check, bad.value
            if found is None:  # a file may lack a column that others have, if its format allows it
                found = dict(zip(source.header, located.fields, strict=True)).get(about.column, "")
            problem, value = about.problem.format(value=found), found
        if about.column:
            where += f": column '{about.column}'"
        message = f"{where}: {problem}. Expected {about.expected}. {about.fix}, or {SET_ASIDE}"
        yield Reject(name, located.line, about.column, value, about.rule, located.text, message, index, located.fields)


def place(source: Source, located: Located) -> str:
    """Where a record stands, as messages show it."""
    if not located.file:
        return f"{source.path}:{located.line}" if source.unit == "line" else f"{source.path}, row {located.line}"
    archive = next((path for path in Path(located.file).parents if path.is_file()), None)
    return f"{archive}: {Path(located.file).relative_to(archive).as_posix()}" if archive else located.file


def write_rejects(path: Path, rejects: Iterable[Reject]) -> int:
    """Writes rejects.csv; returns the number of records in it."""
    num_rejects = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "line", "column", "value", "rule", "record"])
        for reject in rejects:
            writer.writerow([reject.file, reject.line, reject.column, reject.value, reject.rule, reject.record])
            num_rejects += 1
    return num_rejects
