"""What was read, as the report needs it, whether now or at an earlier ingest that kept it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import AccountingError
from components.ingest.encodings import AUTO
from components.ingest.kinds import Kind
from components.ingest.reading import FileResult, by_rule
from components.ingest.rejects import Reject
from components.ingest.source import Encoded
from components.ingest.windows import WindowMaker
from components.params.models import SPLITS, DataParams


@dataclass(frozen=True)
class FileCounts:
    """What became of the records of one file; JSON types.

    Attributes:
        path: The file, as messages show it.
        num_records_in: Records.
        num_examples: By split.
        num_rejects: Bad records.
        num_thinned: By condition of `data.thin`.
        by_rule: Bad records by rule.
        num_converted: Images written anew, by reason.
        num_ignored: Files in it that are no records.
        encoding: Of the text, where it was to be found.
        span: Name of its span, where there are spans.
    """

    path: str
    num_records_in: int
    num_examples: dict[str, int]
    num_rejects: int
    num_thinned: dict[str, int]
    by_rule: dict[str, int]
    num_converted: dict[str, int]
    num_ignored: int
    encoding: str | None
    span: str | None = None

    @classmethod
    def of(cls, data: DataParams, result: FileResult, span: str | None = None) -> FileCounts:
        """The counts of a file that was read."""
        source = result.source
        return cls(
            source.path.as_posix(),
            result.num_records_in,
            {split: result.num_examples[split] for split in SPLITS},
            result.num_rejects,
            dict(result.num_thinned),
            by_rule([result]),
            dict(result.num_converted),
            getattr(source, "num_ignored", 0),
            source.encoding if data.encoding == AUTO and isinstance(source, Encoded) else None,
            span,
        )


@dataclass(frozen=True)
class Batch:
    """All that one ingest made examples of.

    Attributes:
        files: In order.
        num_examples: Written by split, as the writers counted them.
        features: Names of the columns that examples have.
        kinds: Feature → kind, of those that have a value.
        num_values: Feature → number of examples that have it.
        rejects: Gives the bad records, in order.
        keep_rejected: Writes some of the rejected images into a folder.
        num_copies: Images that hold the same as earlier ones.
        digest: Of the raw data.
        series: What cut windows.
        spans: See `ingest.json`; None where there are none.
    """

    files: Sequence[FileCounts]
    num_examples: Mapping[str, int]
    features: Sequence[str]
    kinds: Mapping[str, Kind]
    num_values: Counter[str]
    rejects: Callable[[], Iterator[Reject]]
    keep_rejected: Callable[[Path], None]
    num_copies: int
    digest: str
    series: WindowMaker | None = None
    spans: Mapping[str, Any] | None = None


def check_account(name: str, num_records_in: int, num_examples: int, num_rejects: int, num_thinned: int) -> None:
    """Raises an AccountingError unless records in = examples + rejects + records thinned out; `name`: of what holds them."""
    if num_records_in != num_examples + num_rejects + num_thinned:
        shown = f", {num_thinned:,} left out by data.thin" if num_thinned else ""
        raise AccountingError(
            f"ingest: {name}: {num_records_in:,} records in, {num_examples:,} examples and {num_rejects:,} rejects "
            f"out{shown}. Expected as many out as in. Please report it with the file."
        )
