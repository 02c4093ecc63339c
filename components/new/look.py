"""Reads all of the data: what their columns hold, and what the label would be in each split."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.errors import UserError
from components.ingest.check import Findings, check, guess
from components.ingest.encodings import AUTO, resolve
from components.ingest.kinds import ARROW_TYPES
from components.ingest.reading import FileResult, by_rule, open_reading
from components.ingest.sources import find_sources
from components.ingest.spans import as_glob
from components.new.render import listed, shown
from components.params.models import TABLE_FORMATS, DataParams

ARRAY_FORMATS = ("npz", "npy")
HEAD = 500
"""Values of a column that are looked at one by one."""


@dataclass(frozen=True)
class Trial:
    """What ingest would make of the records.

    Attributes:
        labels: Of the examples.
        splits: Of the examples: index into `SPLITS`; int8, [examples].
        heads: Column → its first values, missing ones left out.
        by_rule: Rule → how many records break it.
        empty: Columns without any value, of which ingest makes no feature.
    """

    labels: pa.Array
    splits: np.ndarray
    heads: dict[str, list[Any]]
    by_rule: dict[str, int]
    empty: list[str]


def look(path: str, data_format: str | None, label: str | None) -> Findings:
    """What lies at a path: `components.ingest.check`, with the encoding found, and the label, if it is a column, told.

    Raises: UserError if nothing is there, it can't be read, or a table has no such label.
    """
    guessed = guess(path, data_format)
    options: dict[str, Any] = {}
    if guessed["format"] == "csv":
        files = [file for file in _files(guessed["path"]) if file.is_file()]
        found = {resolve(AUTO, file) for file in files}
        if found - {"utf-8", "ascii"}:
            options["encoding"] = found.pop() if len(found) == 1 else AUTO
    elif guessed["format"] in ("documents", "lines"):
        options["encoding"] = AUTO
    if guessed["format"] in (*TABLE_FORMATS, *ARRAY_FORMATS):
        _check_label({**guessed, **options}, label)
    return check(path, guessed["format"], label, **options)


def try_out(params: Mapping[str, Any]) -> Trial:
    """Reads and judges every record as ingest would do it. `params`: the section `data` with a label."""
    data = DataParams.model_validate({**params, "on_bad_record": "quarantine"})
    labels: list[pa.Array] = []
    splits: list[np.ndarray] = []
    heads: dict[str, list[Any]] = {}
    results = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reading, _ = open_reading(data, None, pool)
        kinds = reading.converter.feature_kinds
        for source, file_split in reading.sources:
            result = FileResult(source)
            for block in reading.prepared(source, file_split):
                good = np.flatnonzero(block.splits >= 0)
                label = block.features[str(data.label)].take(pa.array(good))
                labels.append(label.cast(ARROW_TYPES[kinds[str(data.label)]]))
                splits.append(block.splits[good])
                for name, values in block.features.items():
                    head = heads.setdefault(name, [])
                    if len(head) < HEAD and kinds[name] != "bytes":
                        head += values.drop_null()[: HEAD - len(head)].cast(ARROW_TYPES[kinds[name]]).to_pylist()
                result.faults += block.faults.list()
            results.append(result)
    joined = pa.concat_arrays(labels) if labels else pa.nulls(0)
    empty = [name for name in reading.columns.features if kinds.get(name, "missing") == "missing"]
    return Trial(joined, np.concatenate(splits) if splits else np.empty(0, np.int8), heads, by_rule(results), empty)


def _files(pattern: str) -> Iterator[Path]:
    import glob

    return (Path(name) for name in sorted(glob.glob(as_glob(pattern), recursive=True)))  # noqa: PTH207 (absolute patterns too)


def _check_label(params: dict[str, Any], label: str | None) -> None:
    from components.ingest.check import image_arrays

    if params["format"] in ARRAY_FORMATS and (images := image_arrays(params)):
        params = {**params, "images": images}
    sources = find_sources(DataParams.model_validate({**params, "label": None}))
    names = list(dict.fromkeys(name for source, _ in sources for name in source.header))
    if label in names:
        return
    if len(names) == 1 and params["format"] == "csv":
        raise UserError(
            f"{params['path']}: the header holds one column, {shown(names[0])}. Expected at least two, the label and one to "
            "learn from, separated by a comma, a semicolon, a tab or |. Mend the file."
        )
    columns = f"The columns are {listed(names, 30)}."
    if label is None:
        usual = next((name for name in names if name.lower() in ("label", "class", "target", "y")), names[-1])
        raise UserError(
            f"--label: which column is to be learned? {columns} Name it, as --label {_quoted(usual)}; it is not guessed, for "
            "everything follows from it."
        )
    close = difflib.get_close_matches(label, names, n=1) or [name for name in names if name.lower() == label.lower()]
    hint = f" Did you mean {shown(close[0])}?" if close else ""
    raise UserError(f"--label: {params['path']} has no column {shown(label)}.{hint} {columns}")


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)
