"""What a terminal watcher sees of an ingest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

_NOUNS = {"integer": "integer", "number": "number", "string": "string", "bytes": "image"}
_MOST_NAMES = 6
_FEW = 0.01
"""Columns with a value in a smaller fraction of the examples are named."""


def summary(report: Mapping[str, Any]) -> str:
    """The few lines that tell what ingest.json holds."""
    splits = ", ".join(f"{count:,} {split}" for split, count in report["num_examples"].items())
    num_examples = sum(report["num_examples"].values())
    num_files = len(report["by_file"])
    kinds = Counter(kind for name, kind in report["columns"].items() if name not in report["empty_columns"])
    shown_kinds = ", ".join(_plural(kinds[kind], _NOUNS[kind]) for kind in _NOUNS if kinds[kind])
    read = f"{_plural(report['num_records_in'], 'record')} in {_plural(num_files, 'file')}"
    lines = [
        f"{read} → {_plural(num_examples, 'example')} ({splits}), {_plural(report['num_rejects'], 'reject')}",
        f"{_plural(sum(kinds.values()), 'column')} ({shown_kinds}), {_label(report['label'])}",
    ]
    if "spans" in report:
        lines.append(_span_line(report["spans"]))
    if "num_thinned" in report:
        conditions = ", ".join(f"{condition} {count:,}" for condition, count in report["thinned_by_condition"].items())
        lines.append(f"left out by data.thin: {_plural(report['num_thinned'], 'record')} ({conditions})")
    if "encodings" in report:
        lines.append(f"encodings found: {_encodings(report['encodings'])}")
    if report["empty_columns"]:
        lines.append(f"no value at all, left out: {', '.join(report['empty_columns'])}")
    few = {name: count for name, count in report["num_values"].items() if 0 < count < _FEW * num_examples}
    if few:
        lines.append(f"hardly any value: {', '.join(f'{name} ({count:,})' for name, count in few.items())}")
    if "windows" in report:
        lines += _window_lines(report["windows"])
    if "images" in report:
        lines += _image_lines(report["images"])
    if report["num_rejects"]:
        rules = ", ".join(f"{rule} {count:,}" for rule, count in report["by_rule"].items())
        lines.append(f"rejects by rule: {rules}; rejects.csv names file, line, column and value")
    return "\n".join(lines)


def _span_line(spans: Mapping[str, Any]) -> str:
    """As `spans: 4 of 12 (9, 10, 11, 12); read anew: 12; taken as they were: 3`."""
    used, ingested = spans["used"], spans["ingested"]
    of_all = "" if len(used) == len(spans["found"]) else f" of {len(spans['found']):,}"
    read = f"read anew: {_names(ingested) if len(ingested) < len(used) else 'all'}" if ingested else "none read anew"
    return f"spans: {len(used):,}{of_all} ({_names(used)}); {read}; taken as they were: {len(used) - len(ingested):,}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _MOST_NAMES else f"{names[0]}, {names[1]}, … {names[-1]}"


def _label(label: str | None) -> str:
    return "no label" if label is None else f"label {label}"


def _encodings(by_file: Mapping[str, str]) -> str:
    """As `utf-8 (3 files), cp1252 (data/x.csv)`."""
    files: dict[str, list[str]] = {}
    for file, encoding in by_file.items():
        files.setdefault(encoding, []).append(file)
    return ", ".join(
        f"{encoding} ({names[0] if len(names) == 1 else _plural(len(names), 'file')})" for encoding, names in files.items()
    )


def _window_lines(windows: Mapping[str, Any]) -> list[str]:
    unused = ", ".join(f"{reason} {count:,}" for reason, count in windows["unused"].items())
    skipped = ", ".join(f"{reason} {count:,}" for reason, count in windows["skipped"].items())
    used = f"{windows['num_rows_used']:,} of {_plural(windows['num_rows'], 'row')} used"
    used += f" (unused: {unused})" if unused else ""
    width, gaps = _plural(windows["num_rows_per_window"], "row"), _plural(windows["num_gaps"], "gap")
    return [f"windows of {width}: {used}, {gaps}", f"rows that begin no window: {skipped}"]


def _image_lines(images: Mapping[str, Any]) -> list[str]:
    lines = []
    if images["num_converted"]:
        reasons = ", ".join(f"{name} {count:,}" for name, count in images["num_converted"].items())
        lines.append(f"images written anew: {reasons}")
    if images["num_copies"]:
        lines.append(f"copies of earlier images: {images['num_copies']:,}")
    if images["ignored_files"]:
        lines.append(f"no images, ignored: {_plural(images['ignored_files'], 'file')}")
    return lines


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
