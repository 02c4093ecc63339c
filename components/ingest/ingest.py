"""The stage itself: files in, examples by split, rejects and a report out. Knows no TFX."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from components.errors import RecordError, UserError
from components.ingest.batch import Batch, FileCounts, check_account
from components.ingest.encodings import AUTO
from components.ingest.image_codec import CONVERSIONS
from components.ingest.reading import FileResult, Reading, convert_file, located, map_blocks, open_reading, rejects_of
from components.ingest.rejected_images import REJECTED_FOLDER, keep_rejected
from components.ingest.rejects import RULES, write_rejects
from components.ingest.shards import num_shards
from components.ingest.source import Source
from components.ingest.sources import digest, input_paths
from components.ingest.spanned import read_spans
from components.ingest.windows import Chunk, WindowMaker, split_counts
from components.params.models import SPLITS, DataParams
from components.tf_example import encode
from components.tfrecord_writer import ShardWriter, frame

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

REPORT_FILE = "ingest.json"
REJECTS_FILE = "rejects.csv"


def ingest(
    data: DataParams, schema: schema_pb2.Schema | None, examples: Path, report: Path, state: Path | None = None
) -> dict[str, Any]:
    """Turns the raw files into examples.

    Args:
        data: The parameters; paths are relative to the working directory.
        schema: The reviewed schema, which says the columns' types; None to infer them.
        examples: Folder for `Split-train/data-00000-of-0000N.tfrecord` and so on; see `spanned` for the names with spans.
        report: Folder for `ingest.json` and `rejects.csv`, and for some of the images that were rejected.
        state: Folder in which spans are kept for the next ingest of the same `data` (but for `last_spans`), schema and code;
            None to keep nothing.

    Returns: The content of ingest.json.

    Raises:
        ParamsError: With a line for each mistake in `data` that the files reveal.
        RecordError: At bad records, unless they are quarantined and few enough.
        UserError: If a file can't be read, or a split stays empty.
        AccountingError: If records in differ from records out + rejects.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        if not data.has_spans:
            batch = _read_files(data, schema, examples, pool)
        elif state is not None:
            batch = read_spans(data, schema, examples, state, pool)
        else:
            with tempfile.TemporaryDirectory(prefix="tensorline-") as scratch:
                return ingest(data, schema, examples, report, Path(scratch))
    _judge(data, batch)
    report.mkdir(parents=True, exist_ok=True)
    num_rejects = write_rejects(report / REJECTS_FILE, batch.rejects())
    content = _content(data, batch, num_rejects)
    series = batch.series
    if series is not None:
        series.end()
        kinds = series.feature_kinds
        content |= {"columns": kinds, "num_values": {name: batch.num_values[name] for name in kinds}}
        content |= {"empty_columns": [], "windows": series.account()}
        series.check_any()
    if data.image_columns:
        content["images"] = _about_images(batch)
        batch.keep_rejected(report / REJECTED_FOLDER)
    if batch.spans is not None:
        content |= {"spans": batch.spans, "by_span": _by_span(data, batch)}
    _account(content)
    _check_splits(content)
    (report / REPORT_FILE).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return content


def _read_files(data: DataParams, schema: schema_pb2.Schema | None, examples: Path, pool: ThreadPoolExecutor) -> Batch:
    """Reads all files, which have no spans."""
    num_values: Counter[str] = Counter()
    results = []
    reading, copies = open_reading(data, schema, pool)
    shards = num_shards(data, [path for source, _ in reading.sources for path in input_paths(source)])
    writers = {split: ShardWriter(examples / f"Split-{split}", shards) for split in SPLITS}
    series = None if data.windows is None else WindowMaker(data.windows, str(data.label))
    last_split = None
    for source, file_split in reading.sources:
        if series is not None and file_split != last_split:
            series.end()  # a split's files are a series of their own
        last_split = file_split
        convert = convert_file if series is None else partial(_cut, series)
        results.append(convert(reading, source, file_split, writers=writers, num_values=num_values))
    return Batch(
        [FileCounts.of(data, result) for result in results],
        {split: writer.num_records for split, writer in writers.items()},
        reading.columns.features,
        reading.converter.feature_kinds,
        num_values,
        lambda: rejects_of(results),
        lambda folder: keep_rejected(folder, ((result.source, reject) for result, reject in located(results))),
        sum(copies.num_copies.values()),
        digest(path for source, _ in reading.sources for path in input_paths(source)),
        series,
    )


def _content(data: DataParams, batch: Batch, num_rejects: int) -> dict[str, Any]:
    """What ingest.json holds of every format."""
    files = batch.files
    encodings = {file.path: file.encoding for file in files if file.encoding is not None}
    return {
        "num_records_in": sum(file.num_records_in for file in files),
        "num_examples": dict(batch.num_examples),
        "num_rejects": num_rejects,
        "by_file": {file.path: _counts(data, [file]) for file in files},
        **(_thinned(data, files) if data.thin else {}),
        "by_rule": _by_rule(files),
        "columns": dict(batch.kinds),
        "num_values": {name: batch.num_values[name] for name in batch.features},
        "empty_columns": [name for name in batch.features if not batch.num_values[name]],
        "label": data.label,
        **({"encodings": encodings} if data.encoding == AUTO else {}),
        "data_digest": batch.digest,
    }


def _counts(data: DataParams, files: Sequence[FileCounts]) -> dict[str, Any]:
    """What became of the records of these files."""
    return {
        "num_records_in": sum(file.num_records_in for file in files),
        "num_examples": {split: sum(file.num_examples[split] for file in files) for split in SPLITS},
        "num_rejects": sum(file.num_rejects for file in files),
        **({"num_thinned": sum(sum(file.num_thinned.values()) for file in files)} if data.thin else {}),
    }


def _by_span(data: DataParams, batch: Batch) -> dict[str, Any]:
    by_span: dict[str, list[FileCounts]] = {}
    for file in batch.files:
        by_span.setdefault(str(file.span), []).append(file)
    return {span: _counts(data, files) for span, files in by_span.items()}


def _by_rule(files: Sequence[FileCounts]) -> dict[str, int]:
    """How many records break each rule, in the order of the rules."""
    counts = {rule: sum(file.by_rule.get(rule, 0) for file in files) for rule in RULES}
    return {rule: count for rule, count in counts.items() if count}


def _cut(
    maker: WindowMaker,
    reading: Reading,
    source: Source,
    file_split: str | None,
    *,
    writers: dict[str, ShardWriter],
    num_values: Counter[str],
) -> FileResult:
    """Writes the windows that end in one file; those that begin there may end in the next. Arguments as of `convert_file`."""
    result = FileResult(source)

    def chunks() -> Iterator[Chunk]:
        for prepared in reading.prepared(source, file_split):
            prepared.refuse_disordered(maker, reading.columns.raw_names[maker.params.time[0]])
            result.num_records_in += prepared.num_records
            result.faults += prepared.faults.list()
            yield from maker.add(prepared.series(maker.columns))

    for chunk, framed in map_blocks(reading.pool, lambda each: frame(encode(each.features, len(each.splits))), chunks()):
        for split, places in split_counts(chunk).items():
            writers[split].write(framed.take(pa.array(places)))
            num_values.update(dict.fromkeys(maker.feature_kinds, len(places)))  # no value of a window is missing
            result.num_examples[split] += len(places)
    result.num_records_in += len(source.malformed)
    return result


def _thinned(data: DataParams, files: Sequence[FileCounts]) -> dict[str, Any]:
    """How many good records `data.thin` left out, in all and by condition."""
    by_condition = {condition: sum(file.num_thinned.get(condition, 0) for file in files) for condition in data.thin}
    return {"num_thinned": sum(by_condition.values()), "thinned_by_condition": by_condition}


def _about_images(batch: Batch) -> dict[str, Any]:
    """What was done to images, and which files were taken for none."""
    converted = {name: sum(file.num_converted.get(name, 0) for file in batch.files) for name in CONVERSIONS}
    return {
        "num_converted": {name: count for name, count in converted.items() if count},
        "num_copies": batch.num_copies,
        "ignored_files": sum(file.num_ignored for file in batch.files),
    }


def _judge(data: DataParams, batch: Batch) -> None:
    """Raises a RecordError if there are bad records and they are not allowed, or too many."""
    num_records = sum(file.num_records_in for file in batch.files)
    num_rejects = sum(file.num_rejects for file in batch.files)
    if num_rejects == 0 or (data.on_bad_record == "quarantine" and num_rejects <= data.max_reject_fraction * num_records):
        return
    message = next(batch.rejects()).message
    rules = ", ".join(f"{rule} {count:,}" for rule, count in _by_rule(batch.files).items())
    if data.on_bad_record == "quarantine":
        raise RecordError(
            f"{num_rejects:,} of {num_records:,} records are bad ({rules}). Expected at most the fraction "
            f"{data.max_reject_fraction:g}, data.max_reject_fraction. Fix the files, or raise it. The first:\n{message}"
        )
    more = f"\n… and {num_rejects - 1:,} more bad records (in all: {rules})." if num_rejects > 1 else ""
    raise RecordError(message + more)


def _account(content: dict[str, Any]) -> None:
    """Raises an AccountingError unless records in = examples + rejects + records thinned out, in every file and in all."""
    spans = {f"span {name}": counts for name, counts in content.get("by_span", {}).items()}
    for name, counts in [*content["by_file"].items(), *spans.items(), ("all files", content)]:
        num_examples, num_thinned = sum(counts["num_examples"].values()), counts.get("num_thinned", 0)
        if "windows" in content:  # which files share
            if name in content["by_file"]:
                continue
            num_examples = content["windows"]["num_rows"]
        check_account(name, counts["num_records_in"], num_examples, counts["num_rejects"], num_thinned)


def _check_splits(content: dict[str, Any]) -> None:
    counts = content["num_examples"]
    empty = [split for split, count in counts.items() if not count]
    if empty:
        shown = ", ".join(f"{split} {count:,}" for split, count in counts.items())
        raise UserError(
            f"data.split: no examples for {' and '.join(empty)} ({shown}). Expected some in train, eval and test. "
            "Change data.split, or add data."
        )
