"""Looks at raw files before there is a pipeline: what is there, what ingest would reject, and a section `data` to begin with.

Every record is read and judged as ingest does it; nothing is written.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import UserError
from components.ingest.archive import is_archive
from components.ingest.array_source import ArraySource
from components.ingest.documents_source import SUFFIXES as TEXT_SUFFIXES
from components.ingest.image_column import IMAGE_MEASURES
from components.ingest.image_source import IMAGE_SUFFIXES
from components.ingest.image_store import open_store
from components.ingest.kinds import Kind
from components.ingest.npy_source import NpySource
from components.ingest.npz_source import NpzSource
from components.ingest.reading import FileResult, by_rule, open_reading, rejects_of
from components.ingest.source import Block
from components.ingest.sources import find_sources
from components.ingest.spans import as_glob
from components.ingest.split import NO_SPLIT
from components.ingest.text_column import TEXT_MEASURES
from components.ingest.values import decode
from components.params.models import TABLE_FORMATS, DataParams

NUM_MESSAGES = 5
MOST_CLASSES = 30
"""A column of more different values is not shown value by value."""
_MOST_VALUES = 10_000
_FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".npz": "npz",
    ".npy": "npy",
    **dict.fromkeys(IMAGE_SUFFIXES, "images"),
    **dict.fromkeys(TEXT_SUFFIXES, "documents"),
}
_LABELS = ("label", "class", "target", "y")
_IS_PATH = r"(?i)\.(" + "|".join(suffix[1:] for suffix in sorted(IMAGE_SUFFIXES)) + ")$"
_SENTENCE_WORDS = 4
_PREFERRED_SPLIT = {"by": "hash", "train": 1.0, "eval": 0.0, "test": 0.0}


@dataclass
class Seen:
    """What one column holds in the good records.

    Attributes:
        kind: Of the values.
        num_values: Values that are not missing.
        least: Of numbers.
        greatest: Of numbers.
        counts: Value → how often, of strings and integers; None if there are too many different ones.
    """

    kind: Kind
    num_values: int = 0
    least: float | None = None
    greatest: float | None = None
    counts: Counter[Any] | None = field(default_factory=Counter)

    def add(self, values: pa.Array) -> None:
        """Adds a block's values."""
        self.num_values += len(values) - values.null_count
        if self.kind in ("integer", "number") and len(values) > values.null_count:
            least, greatest = pc.min_max(values).as_py().values()
            self.least = least if self.least is None else min(self.least, least)
            self.greatest = greatest if self.greatest is None else max(self.greatest, greatest)
        if self.counts is not None and self.kind in ("integer", "string"):
            for entry in pc.value_counts(values.drop_null()).to_pylist():
                value = entry["values"]
                self.counts[value.decode("utf-8", "replace") if isinstance(value, bytes) else value] += entry["counts"]
            if len(self.counts) > _MOST_VALUES:
                self.counts = None


@dataclass(frozen=True)
class Findings:
    """What was found.

    Attributes:
        params: The section `data` that was tried, without what has its default.
        num_files: That were read.
        num_good: Records that would be examples.
        by_rule: Rule → how many records break it.
        messages: About the first bad records.
        columns: Column → what it holds, the columns of the files and those that are measured.
        num_copies: Images that hold the same as earlier ones.
        num_converted: Reason → how many images would be written anew.
        num_ignored: Files that are no records.
    """

    params: dict[str, Any]
    num_files: int
    num_good: int
    by_rule: dict[str, int]
    messages: list[str]
    columns: dict[str, Seen]
    num_copies: int
    num_converted: dict[str, int]
    num_ignored: int


def check(path: str, data_format: str | None = None, label: str | None = None, **options: Any) -> Findings:
    """Reads everything that lies at a path.

    Args:
        path: A file, a folder, an archive or a pattern.
        data_format: `data.format`; None to guess it.
        label: `data.label`; None to guess it, or to do without.
        options: More of `data`, as delimiter and encoding; those that are None are guessed or left out.

    Raises: UserError if nothing is there, or it can't be read.
    """
    params = guess(path, data_format)
    params |= {name: value for name, value in options.items() if value is not None}
    _look_into(params, label)
    # One split: what a check is asked about is every record.
    data = DataParams.model_validate({**params, "split": _PREFERRED_SPLIT, "on_bad_record": "quarantine"})
    results = []
    converted: Counter[str] = Counter()
    num_good = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reading, copies = open_reading(data, None, pool)
        columns = {name: Seen(kind) for name, kind in reading.converter.feature_kinds.items()}
        for source, file_split in reading.sources:
            result = FileResult(source)
            for block in reading.prepared(source, file_split):
                good = np.flatnonzero(block.splits != NO_SPLIT)
                for name, seen in columns.items():
                    seen.add(block.features[name].take(pa.array(good)))
                num_good += len(good)
                converted.update(block.num_converted)
                result.num_records_in += block.num_records
                result.faults += block.faults.list()
            result.num_records_in += len(source.malformed)
            results.append(result)
    return Findings(
        params,
        len(results),
        num_good,
        by_rule(results),
        [reject.message for reject in islice(rejects_of(results), NUM_MESSAGES)],
        columns,
        sum(copies.num_copies.values()),
        {name: count for name, count in converted.items() if count},
        sum(getattr(result.source, "num_ignored", 0) for result in results),
    )


def guess(path: str, data_format: str | None) -> dict[str, Any]:
    """The section `data` to begin with: format and path, and the delimiter of a CSV, by the files' names and first line.

    Args:
        path: As of `check`.
        data_format: As of `check`.

    Raises: UserError if nothing is there, or nothing whose format can be told.
    """
    found = [Path(name) for name in sorted(glob.glob(as_glob(path), recursive=True))]  # noqa: PTH207 (absolute patterns too)
    inside = any(is_archive(parent) and parent.is_file() for parent in Path(path).parents)
    if not found and not inside:
        raise UserError(f"{path}: nothing is there. Expected a file, a folder, an archive or a pattern.")
    first = found[0] if found else Path(path)
    holds_files = len(found) == 1 and (first.is_dir() or is_archive(first))
    names = open_store(first).names.to_pylist() if holds_files else [str(each) for each in found]
    formats = Counter(format_of_name(name) for name in names)
    formats.pop(None, None)
    guessed = data_format or ("images" if inside or not formats else formats.most_common(1)[0][0])
    if not data_format and not formats and not inside:
        raise UserError(
            f"{path}: cannot tell the format of {first}. Expected files that end in {', '.join(sorted(_FORMATS))}, or folders "
            "and archives of these. Name it: --format csv, lines, …"
        )
    if guessed == "documents" and not data_format and not holds_files:
        # Texts by themselves: several are lines by their authors, one is long.
        guessed = "lines" if len(found) > 1 else "sequences"
    params: dict[str, Any] = {"format": guessed, "path": path}
    if first.is_dir() and guessed not in ("images", "documents"):
        suffix = next((PurePosixPath(name).suffix for name in names if format_of_name(name) == guessed), ".txt")
        params["path"] = f"{path.rstrip('/')}/*{suffix}"
        first = next(iter(sorted(first.glob(f"*{suffix}"))), first)
    if guessed == "csv" and first.is_file() and (delimiter := _delimiter(first)) != ",":
        params["delimiter"] = delimiter
    return params


def format_of_name(name: str) -> str | None:
    """`data.format` of a file, by its name; None if that does not tell."""
    path = PurePosixPath(name.removesuffix(".gz"))
    return None if path.name.startswith(".") else _FORMATS.get(path.suffix.lower())


def _delimiter(path: Path) -> str:
    """What most often stands in the first line."""
    import gzip

    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        line = file.readline(1 << 16)
    counts = {delimiter: line.count(delimiter.encode()) for delimiter in ",;\t|"}
    return max(counts, key=lambda delimiter: counts[delimiter])


def _look_into(params: dict[str, Any], label: str | None) -> None:
    """Adds the label, and which columns hold images, paths of images and texts, by the first records."""
    if params["format"] in ("npz", "npy") and (images := image_arrays(params)):
        params["images"] = images
    header: list[str] = []
    block = None
    # Folders have classes if their files lie in folders, or if the user asks for a label.
    for trial in (label or "label", None):
        try:
            source, _ = find_sources(DataParams.model_validate({**params, "label": trial}))[0]
            header = source.header
            block = next(iter(source.blocks()), None)
            break
        except UserError:
            if label or trial is None or params["format"] not in ("images", "documents"):
                raise
    params["label"] = label or next((name for name in header if name.lower() in _LABELS), None)
    if params["format"] in TABLE_FORMATS and block is not None:
        for name in header:
            if name in block.columns and name != params["label"]:
                _judge_strings(params, source.path, name, block)


def _judge_strings(params: dict[str, Any], table: Path, name: str, block: Block) -> None:
    """Adds a column of a table to `images` if it holds paths of images, to `texts` if it holds sentences."""
    values = block.columns[name]
    strings = decode(values, marked=block.marked)[0].drop_null() if values.type == pa.binary() else []
    if not len(strings):
        return
    if pc.all(pc.match_substring_regex(strings, _IS_PATH)).as_py():
        first = strings[0].as_py()
        is_below = not (table.parent / first).exists() and Path(first).exists()
        params.setdefault("images", {})[name] = {"root": "."} if is_below else {}
    elif pc.mean(pc.count_substring_regex(strings, r"\S+")).as_py() > _SENTENCE_WORDS:
        params.setdefault("texts", {})[name] = {}


def image_arrays(params: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`data.images` for the arrays of more than one dimension. `params`: as `guess` gives them."""
    paths = [Path(name) for name in sorted(glob.glob(as_glob(params["path"])))]  # noqa: PTH207 (absolute patterns too)
    sources: Sequence[ArraySource] = (
        [NpzSource(path, frozenset()) for path in paths]
        if params["format"] == "npz"
        else [NpySource(paths[0].parent, frozenset(), inputs=paths)]
    )
    return {name: {} for source in sources for name, shape in source.shapes().items() if len(shape) > 1}


def describe(findings: Findings) -> str:
    """What a person is told: records, columns, bad records, and the section `data` as YAML."""
    num_bad = sum(findings.by_rule.values())
    params = findings.params
    lines = [
        f"{params['path']}: {params['format']}, {_counted(findings.num_files, 'file')}",
        f"{_counted(findings.num_good + num_bad, 'record')}: {findings.num_good:,} good, {num_bad:,} rejected",
        "",
    ]
    lines += _table(findings)
    notes = []
    if findings.num_copies:
        notes.append(f"{_counted(findings.num_copies, 'image')} held by an earlier file too (duplicates: keep; or reject)")
    if findings.num_converted:
        reasons = ", ".join(f"{name} {count:,}" for name, count in findings.num_converted.items())
        notes.append(f"images that would be written anew: {reasons}")
    if findings.num_ignored:
        notes.append(f"{_counted(findings.num_ignored, 'file')} ignored: hidden, left by systems, or beside the class folders")
    if notes:
        lines += ["", *notes]
    if num_bad:
        rules = ", ".join(f"{rule} {count:,}" for rule, count in findings.by_rule.items())
        lines += ["", f"rejected by rule: {rules}. The first:", *(f"  {message}" for message in findings.messages)]
    return "\n".join([*lines, "", *_section(findings, num_bad)])


def _table(findings: Findings) -> list[str]:
    total = findings.num_good
    measures = measures_of(findings)
    rows = [("column", "kind", "missing", "values")]
    for name, seen in findings.columns.items():
        if name not in measures:
            kind = {"bytes": "image", "string": "text" if name in texts_of(findings) else "string"}.get(seen.kind, seen.kind)
            rows.append((name, kind, f"{total - seen.num_values:,}", _values(findings, name, seen)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows]


def measures_of(findings: Findings) -> set[str]:
    """The columns that are measured of others."""
    images = {f"{name}_{suffix}" for name in images_of(findings) for suffix in IMAGE_MEASURES}
    return images | {f"{name}_{suffix}" for name in texts_of(findings) for suffix in TEXT_MEASURES}


def images_of(findings: Findings) -> list[str]:
    """The columns that hold images."""
    return [name for name, seen in findings.columns.items() if seen.kind == "bytes"]


def texts_of(findings: Findings) -> list[str]:
    """The columns that hold texts."""
    return [name for name in findings.columns if f"{name}_num_chars" in findings.columns]


def _values(findings: Findings, name: str, seen: Seen) -> str:
    columns = findings.columns
    if not seen.num_values:
        return "none"
    if seen.kind == "bytes":
        formats = ", ".join(columns[f"{name}_format"].counts or ())
        channels = ", ".join(map(str, sorted(columns[f"{name}_channels"].counts or ())))
        sizes = f"{_range(columns[f'{name}_width'])} × {_range(columns[f'{name}_height'])} px"
        return f"{sizes}, {channels} channel{'' if channels == '1' else 's'}, {formats}"
    if name in texts_of(findings):
        scripts = ", ".join(columns[f"{name}_script"].counts or ())
        return f"{_range(columns[f'{name}_num_chars'])} characters, {_range(columns[f'{name}_num_words'])} words, {scripts}"
    if seen.kind == "number" or (seen.kind == "integer" and name != findings.params["label"]):
        return _range(seen)
    if seen.counts is None:
        return f"more than {_MOST_VALUES:,} different ones"
    if len(seen.counts) > MOST_CLASSES:
        return f"{len(seen.counts):,} different ones, as {', '.join(map(repr, islice(sorted(seen.counts), 3)))}"
    counts = ", ".join(f"{value} {count:,}" for value, count in sorted(seen.counts.items()))
    return f"{len(seen.counts)}: {counts}"


def _range(seen: Seen) -> str:
    def shown(value: float | None) -> str:
        return f"{value:g}" if isinstance(value, float) else str(value)

    return shown(seen.least) if seen.least == seen.greatest else f"{shown(seen.least)}–{shown(seen.greatest)}"


def _section(findings: Findings, num_bad: int) -> list[str]:
    """The YAML to paste."""
    import io

    from ruamel.yaml import YAML

    section = {name: value for name, value in findings.params.items() if (name, value) != ("format", "csv")}
    if num_bad:
        section["on_bad_record"] = "quarantine"
        fraction = num_bad / (findings.num_good + num_bad)
        if fraction > DataParams.model_fields["max_reject_fraction"].default:
            section["max_reject_fraction"] = round(fraction + 0.005, 2)
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = io.StringIO()
    writer.dump({"data": section}, text)
    lines = text.getvalue().splitlines()
    if findings.params["label"] is None:
        others = {*measures_of(findings), *images_of(findings), *texts_of(findings)}
        names = [name for name in findings.columns if name not in others]
        hint = f"the column to learn, one of: {', '.join(names)}" if names else "there is no column to learn"
        lines = [f"{line}  # {hint}" if line.strip().startswith("label:") else line for line in lines]
    return lines


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
