"""The stage itself: files in, examples by split, rejects and a report out. Knows no TFX."""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from components.errors import AccountingError, RecordError, UserError
from components.ingest.columns import Columns
from components.ingest.kinds import Kind, unify
from components.ingest.records import Converter, RawColumns
from components.ingest.rejects import RULES, Fault, Reject, locate, write_rejects
from components.ingest.source import Block, Source
from components.ingest.sources import digest, find_sources
from components.ingest.split import check_split
from components.ingest.values import decode, infer
from components.params.models import SPLITS, DataParams
from components.tfrecord_writer import ShardWriter

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

REPORT_FILE = "ingest.json"
REJECTS_FILE = "rejects.csv"
_Result = TypeVar("_Result")


@dataclass
class _FileResult:
    """What became of one file's records."""

    source: Source
    num_records_in: int = 0
    num_examples: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    @property
    def num_rejects(self) -> int:
        return len(self.faults) + len(self.source.malformed)


def ingest(data: DataParams, schema: schema_pb2.Schema | None, examples: Path, report: Path) -> dict[str, Any]:
    """Turns the raw files into examples.

    Args:
        data: The parameters; paths are relative to the working directory.
        schema: The reviewed schema, which says the columns' types; None to infer them.
        examples: Folder for `Split-train/data-00000-of-0000N.tfrecord` and so on.
        report: Folder for `ingest.json` and `rejects.csv`.

    Returns: The content of ingest.json.

    Raises:
        ParamsError: With a line for each mistake in `data` that the files reveal.
        RecordError: At bad records, unless they are quarantined and few enough.
        UserError: If a file can't be read, or a split stays empty.
        AccountingError: If records in differ from records out + rejects.
    """
    sources = find_sources(data)
    header = list(dict.fromkeys(name for source, _ in sources for name in source.header))
    columns = Columns(data, header, schema)
    num_values: Counter[str] = Counter()
    results = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        kinds = columns.kinds(_infer(pool, data, columns, [source for source, _ in sources]))
        check_split(data.split, kinds)
        converter = Converter(data, columns, kinds)
        writers = {split: ShardWriter(examples / f"Split-{split}", data.num_shards) for split in SPLITS}
        for source, file_split in sources:
            results.append(_convert(pool, converter, source, file_split, writers=writers, num_values=num_values))
    _judge(data, results)
    report.mkdir(parents=True, exist_ok=True)
    num_rejects = write_rejects(report / REJECTS_FILE, _rejects(results))
    content = {
        "num_records_in": sum(result.num_records_in for result in results),
        "num_examples": {split: writer.num_records for split, writer in writers.items()},
        "num_rejects": num_rejects,
        "by_file": {
            result.source.path.as_posix(): {
                "num_records_in": result.num_records_in,
                "num_examples": {split: result.num_examples[split] for split in SPLITS},
                "num_rejects": result.num_rejects,
            }
            for result in results
        },
        "by_rule": _by_rule(results),
        "columns": dict(converter.feature_kinds),
        "num_values": {name: num_values[name] for name in columns.features},
        "empty_columns": [name for name in columns.features if not num_values[name]],
        "label": data.label,
        "data_digest": digest(source.path for source, _ in sources),
    }
    _account(content)
    _check_splits(content)
    (report / REPORT_FILE).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return content


def _infer(pool: ThreadPoolExecutor, data: DataParams, columns: Columns, sources: Sequence[Source]) -> dict[str, Kind]:
    """The kinds of the columns that nobody declared, from the files' types, or else every value of every file."""
    kinds: dict[str, Kind] = dict.fromkeys(columns.undeclared, "missing")
    if not kinds:
        return kinds
    raw_columns = RawColumns(data, columns)

    def infer_block(block: Block) -> dict[str, Kind]:
        texts = {name: decode(raw_columns.get(block, name), marked=block.marked)[0] for name in kinds}
        return {name: infer(texts[name], known) for name, known in kinds.copy().items()}

    def add(found: Mapping[str, Kind]) -> None:
        for name, kind in found.items():
            kinds[name] = unify([kinds[name], kind]) or "string"

    for source in sources:
        if source.kinds is not None:
            add({name: source.kinds.get(columns.raw_names[name], "missing") for name in kinds})
            continue
        for _, found in _map(pool, infer_block, source.blocks([columns.raw_names[name] for name in kinds])):
            add(found)
    return kinds


def _convert(
    pool: ThreadPoolExecutor,
    converter: Converter,
    source: Source,
    file_split: str | None,
    *,
    writers: dict[str, ShardWriter],
    num_values: Counter[str],
) -> _FileResult:
    """Writes the examples of one file; adds to `num_values` how many examples have each feature."""
    result = _FileResult(source)
    for block, converted in _map(pool, lambda block: converter.convert(block, file_split), source.blocks()):
        result.num_records_in += block.num_records
        result.faults += converted.faults
        num_values.update(converted.num_values)
        for split, framed in converted.framed.items():
            writers[split].write(framed)
            result.num_examples[split] += len(framed)
    result.num_records_in += len(source.malformed)
    return result


def _map(
    pool: ThreadPoolExecutor, work: Callable[[Block], _Result], blocks: Iterable[Block]
) -> Iterator[tuple[Block, _Result]]:
    """Each block and what `work` makes of it, in order, while later blocks are worked on; only a few are held at a time."""
    pending: deque[tuple[Block, Future[_Result]]] = deque()
    for block in blocks:
        pending.append((block, pool.submit(work, block)))
        if len(pending) > (os.cpu_count() or 1):
            done, future = pending.popleft()
            yield done, future.result()
    while pending:
        done, future = pending.popleft()
        yield done, future.result()


def _rejects(results: Iterable[_FileResult]) -> Iterator[Reject]:
    for result in results:
        if result.num_rejects:
            yield from locate(result.source, result.faults)


def _by_rule(results: Iterable[_FileResult]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for result in results:
        counts.update(malformed.rule for malformed in result.source.malformed)
        counts.update(fault.check.rule for fault in result.faults)
    return {rule: counts[rule] for rule in RULES if counts[rule]}


def _judge(data: DataParams, results: Sequence[_FileResult]) -> None:
    """Raises a RecordError if there are bad records and they are not allowed, or too many."""
    num_records = sum(result.num_records_in for result in results)
    num_rejects = sum(result.num_rejects for result in results)
    if num_rejects == 0 or (data.on_bad_record == "quarantine" and num_rejects <= data.max_reject_fraction * num_records):
        return
    message = next(_rejects(results)).message
    rules = ", ".join(f"{rule} {count:,}" for rule, count in _by_rule(results).items())
    if data.on_bad_record == "quarantine":
        raise RecordError(
            f"{num_rejects:,} of {num_records:,} records are bad ({rules}). Expected at most the fraction "
            f"{data.max_reject_fraction:g}, data.max_reject_fraction. Fix the files, or raise it. The first:\n{message}"
        )
    more = f"\n… and {num_rejects - 1:,} more bad records (in all: {rules})." if num_rejects > 1 else ""
    raise RecordError(message + more)


def _account(content: dict[str, Any]) -> None:
    """Raises an AccountingError unless records in = examples + rejects, in every file and in all."""
    for name, counts in [*content["by_file"].items(), ("all files", content)]:
        num_examples = sum(counts["num_examples"].values())
        if counts["num_records_in"] != num_examples + counts["num_rejects"]:
            raise AccountingError(
                f"ingest: {name}: {counts['num_records_in']:,} records in, {num_examples:,} examples and "
                f"{counts['num_rejects']:,} rejects out. Expected as many out as in. Please report it with the file."
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
