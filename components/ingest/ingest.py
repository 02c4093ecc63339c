"""The stage itself: files in, examples by split, rejects and a report out. Knows no TFX."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from components.errors import AccountingError, RecordError, UserError
from components.ingest.copies import Copies
from components.ingest.encodings import AUTO
from components.ingest.image_codec import CONVERSIONS
from components.ingest.reading import FileResult, Reading, by_rule, located, map_blocks, rejects_of
from components.ingest.rejected_images import REJECTED_FOLDER, keep_rejected
from components.ingest.rejects import write_rejects
from components.ingest.source import Encoded, Source
from components.ingest.sources import digest, input_paths
from components.ingest.windows import Chunk, WindowMaker, split_counts
from components.params.models import SPLITS, DataParams
from components.tf_example import encode
from components.tfrecord_writer import ShardWriter, frame

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

REPORT_FILE = "ingest.json"
REJECTS_FILE = "rejects.csv"


def ingest(data: DataParams, schema: schema_pb2.Schema | None, examples: Path, report: Path) -> dict[str, Any]:
    """Turns the raw files into examples.

    Args:
        data: The parameters; paths are relative to the working directory.
        schema: The reviewed schema, which says the columns' types; None to infer them.
        examples: Folder for `Split-train/data-00000-of-0000N.tfrecord` and so on.
        report: Folder for `ingest.json` and `rejects.csv`, and for some of the images that were rejected.

    Returns: The content of ingest.json.

    Raises:
        ParamsError: With a line for each mistake in `data` that the files reveal.
        RecordError: At bad records, unless they are quarantined and few enough.
        UserError: If a file can't be read, or a split stays empty.
        AccountingError: If records in differ from records out + rejects.
    """
    num_values: Counter[str] = Counter()
    results = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        reading = Reading(data, schema, pool)
        writers = {split: ShardWriter(examples / f"Split-{split}", data.num_shards) for split in SPLITS}
        series = None if data.windows is None else WindowMaker(data.windows, str(data.label))
        last_split = None
        for source, file_split in reading.sources:
            if series is not None and file_split != last_split:
                series.end()  # a split's files are a series of their own
            last_split = file_split
            convert = _convert if series is None else partial(_cut, series)
            results.append(convert(pool, reading, source, file_split, writers=writers, num_values=num_values))
    columns = reading.columns
    sources = [source for source, _ in reading.sources]
    _judge(data, results)
    report.mkdir(parents=True, exist_ok=True)
    num_rejects = write_rejects(report / REJECTS_FILE, rejects_of(results))
    content = {
        "num_records_in": sum(result.num_records_in for result in results),
        "num_examples": {split: writer.num_records for split, writer in writers.items()},
        "num_rejects": num_rejects,
        "by_file": {
            result.source.path.as_posix(): {
                "num_records_in": result.num_records_in,
                "num_examples": {split: result.num_examples[split] for split in SPLITS},
                "num_rejects": result.num_rejects,
                **({"num_thinned": result.num_thinned.total()} if data.thin else {}),
            }
            for result in results
        },
        **(_thinned(data, results) if data.thin else {}),
        "by_rule": by_rule(results),
        "columns": dict(reading.converter.feature_kinds),
        "num_values": {name: num_values[name] for name in columns.features},
        "empty_columns": [name for name in columns.features if not num_values[name]],
        "label": data.label,
        **_found_encodings(data, sources),
        "data_digest": digest(path for source in sources for path in input_paths(source)),
    }
    if series is not None:
        series.end()
        content |= {"columns": series.feature_kinds, "num_values": {name: num_values[name] for name in series.feature_kinds}}
        content |= {"empty_columns": [], "windows": series.account()}
        series.check_any()
    if data.image_columns:
        content["images"] = _about_images(results, reading.copies)
        keep_rejected(report / REJECTED_FOLDER, ((result.source, reject) for result, reject in located(results)))
    _account(content)
    _check_splits(content)
    (report / REPORT_FILE).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return content


def _found_encodings(data: DataParams, sources: Sequence[Source]) -> dict[str, dict[str, str]]:
    """The encodings that were found where they were to be, by file."""
    if data.encoding != AUTO:
        return {}
    return {"encodings": {source.path.as_posix(): source.encoding for source in sources if isinstance(source, Encoded)}}


def _convert(
    pool: ThreadPoolExecutor,
    reading: Reading,
    source: Source,
    file_split: str | None,
    *,
    writers: dict[str, ShardWriter],
    num_values: Counter[str],
) -> FileResult:
    """Writes the examples of one file; adds to `num_values` how many examples have each feature."""
    result = FileResult(source)
    for block, converted in map_blocks(pool, reading.converter.finish, reading.prepared(source, file_split)):
        result.num_records_in += block.num_records
        result.num_converted.update(block.num_converted)
        result.num_thinned.update(block.num_thinned)
        result.faults += converted.faults
        num_values.update(converted.num_values)
        for split, framed in converted.framed.items():
            writers[split].write(framed)
            result.num_examples[split] += len(framed)
    result.num_records_in += len(source.malformed)
    return result


def _cut(
    maker: WindowMaker,
    pool: ThreadPoolExecutor,
    reading: Reading,
    source: Source,
    file_split: str | None,
    *,
    writers: dict[str, ShardWriter],
    num_values: Counter[str],
) -> FileResult:
    """Writes the windows that end in one file; those that begin there may end in the next. Arguments as of `_convert`."""
    result = FileResult(source)

    def chunks() -> Iterator[Chunk]:
        for prepared in reading.prepared(source, file_split):
            prepared.refuse_disordered(maker, reading.columns.raw_names[maker.params.time[0]])
            result.num_records_in += prepared.num_records
            result.faults += prepared.faults.list()
            yield from maker.add(prepared.series(maker.columns))

    for chunk, framed in map_blocks(pool, lambda each: frame(encode(each.features, len(each.splits))), chunks()):
        for split, places in split_counts(chunk).items():
            writers[split].write(framed.take(pa.array(places)))
            num_values.update(dict.fromkeys(maker.feature_kinds, len(places)))  # no value of a window is missing
            result.num_examples[split] += len(places)
    result.num_records_in += len(source.malformed)
    return result


def _thinned(data: DataParams, results: Sequence[FileResult]) -> dict[str, Any]:
    """How many good records `data.thin` left out, in all and by condition."""
    by_condition = {condition: sum(result.num_thinned[condition] for result in results) for condition in data.thin}
    return {"num_thinned": sum(by_condition.values()), "thinned_by_condition": by_condition}


def _about_images(results: Sequence[FileResult], copies: Copies) -> dict[str, Any]:
    """What was done to images, and which files were taken for none."""
    converted: Counter[str] = Counter()
    for result in results:
        converted.update(result.num_converted)
    return {
        "num_converted": {name: converted[name] for name in CONVERSIONS if converted[name]},
        "num_copies": sum(copies.num_copies.values()),
        "ignored_files": sum(getattr(result.source, "num_ignored", 0) for result in results),
    }


def _judge(data: DataParams, results: Sequence[FileResult]) -> None:
    """Raises a RecordError if there are bad records and they are not allowed, or too many."""
    num_records = sum(result.num_records_in for result in results)
    num_rejects = sum(result.num_rejects for result in results)
    if num_rejects == 0 or (data.on_bad_record == "quarantine" and num_rejects <= data.max_reject_fraction * num_records):
        return
    message = next(rejects_of(results)).message
    rules = ", ".join(f"{rule} {count:,}" for rule, count in by_rule(results).items())
    if data.on_bad_record == "quarantine":
        raise RecordError(
            f"{num_rejects:,} of {num_records:,} records are bad ({rules}). Expected at most the fraction "
            f"{data.max_reject_fraction:g}, data.max_reject_fraction. Fix the files, or raise it. The first:\n{message}"
        )
    more = f"\n… and {num_rejects - 1:,} more bad records (in all: {rules})." if num_rejects > 1 else ""
    raise RecordError(message + more)


def _account(content: dict[str, Any]) -> None:
    """Raises an AccountingError unless records in = examples + rejects + records thinned out, in every file and in all."""
    for name, counts in [*content["by_file"].items(), ("all files", content)]:
        num_examples, num_thinned = sum(counts["num_examples"].values()), counts.get("num_thinned", 0)
        if "windows" in content:  # which files share
            if name in content["by_file"]:
                continue
            num_examples = content["windows"]["num_rows"]
        if counts["num_records_in"] != num_examples + counts["num_rejects"] + num_thinned:
            shown = f", {num_thinned:,} left out by data.thin" if num_thinned else ""
            raise AccountingError(
                f"ingest: {name}: {counts['num_records_in']:,} records in, {num_examples:,} examples and "
                f"{counts['num_rejects']:,} rejects out{shown}. Expected as many out as in. Please report it with the file."
            )


def _check_splits(content: dict[str, Any]) -> None:
    counts = content["num_examples"]
    empty = [split for split, count in counts.items() if not count]
    if empty:
        shown = ", ".join(f"{split} {count:,}" for split, count in counts.items())
        raise UserError(
            f"data.split: no examples for {' and '.join(empty)} ({shown}). Expected some in train, eval and test. "
            "Change data.split, or add data."
        )
