"""What ingest and its check share: the files, their records up to the examples, and what is wrong with some."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeVar

from components.ingest.columns import Columns
from components.ingest.copies import Copies
from components.ingest.kinds import Kind, unify
from components.ingest.records import Converter, Prepared, RawColumns
from components.ingest.rejects import RULES, Fault, Reject, locate, place
from components.ingest.source import Block, Source, indices_of
from components.ingest.sources import find_sources
from components.ingest.split import check_split
from components.ingest.values import decode, infer
from components.params.models import DataParams
from components.tfrecord_writer import ShardWriter

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

_Block = TypeVar("_Block")
_Result = TypeVar("_Result")


@dataclass
class FileResult:
    """What became of one file's records."""

    source: Source
    num_records_in: int = 0
    num_examples: Counter[str] = field(default_factory=Counter)
    num_converted: Counter[str] = field(default_factory=Counter)
    num_thinned: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    @property
    def num_rejects(self) -> int:
        return len(self.faults) + len(self.source.malformed)


class Judge(Protocol):
    """What judges records against those before them: `Copies`, or what knows already."""

    def judge(self, prepared: Prepared) -> Prepared:
        """See `Copies.judge`."""


@dataclass(frozen=True)
class Reading:
    """Files of a section `data`, ready to be read.

    Attributes:
        pool: Threads that work on blocks.
        sources: The files, with the split of each where split files are given.
        columns: The columns that all files make, also those that are not read here.
        converter: Turns their blocks into examples.
        copies: Judges images.
    """

    pool: ThreadPoolExecutor
    sources: list[tuple[Source, str | None]]
    columns: Columns
    converter: Converter
    copies: Judge

    def prepared(self, source: Source, file_split: str | None) -> Iterator[Prepared]:
        """The blocks of one file, judged in themselves and against what came before; files must come in order."""
        prepare = partial(self.converter.prepare, file_split=file_split)
        return (self.copies.judge(each) for _, each in map_blocks(self.pool, prepare, source.blocks()))


def open_reading(data: DataParams, schema: schema_pb2.Schema | None, pool: ThreadPoolExecutor) -> tuple[Reading, Copies]:
    """All files of a section `data`, and what counts copies of their images.

    Args:
        data: The parameters.
        schema: The reviewed schema, or None to infer the columns' types.
        pool: Threads that work on blocks.

    Raises:
        ParamsError: With a line for each mistake in `data` that the files reveal.
        UserError: If a file can't be read.
    """
    found = find_sources(data)
    sources = [source for source, _ in found]
    columns = Columns(data, list(dict.fromkeys(name for source in sources for name in source.header)), schema)
    kinds = columns.kinds(infer_kinds(pool, data, columns, sources))
    unhashed = frozenset().union(*(source.measured for source in sources))
    copies = open_copies(data, columns)
    return Reading(pool, found, columns, open_converter(data, columns, kinds, unhashed), copies), copies


def open_converter(data: DataParams, columns: Columns, kinds: Mapping[str, Kind], unhashed: Collection[str]) -> Converter:
    """What turns blocks into examples; arguments as of `Converter`. Raises: ParamsError if the split suits no kind."""
    check_split(data.split, kinds)
    return Converter(data, columns, kinds, unhashed)


def open_copies(data: DataParams, columns: Columns) -> Copies:
    """What counts copies of images."""
    # Messages name the column of images, but not where a file is a record.
    shown = {name: "" if data.format == "images" else columns.raw_names[name] for name in data.image_columns}
    return Copies(data.image_columns, shown)


def infer_kinds(pool: ThreadPoolExecutor, data: DataParams, columns: Columns, sources: Sequence[Source]) -> dict[str, Kind]:
    """The kinds of the columns that nobody declared, from the files' types, or else every value of every file."""
    kinds: dict[str, Kind] = dict.fromkeys(columns.undeclared, "missing")
    for source in sources:
        kinds = unite_kinds([kinds, infer_file_kinds(pool, data, columns, source, kinds)])
    return kinds


def unite_kinds(files: Iterable[Mapping[str, Kind]]) -> dict[str, Kind]:
    """The kinds of columns from those that they have in each file, some of which may lack columns."""
    kinds: dict[str, Kind] = {}
    for found in files:
        for name, kind in found.items():
            kinds[name] = unify([kinds.get(name, "missing"), kind]) or "string"
    return kinds


def infer_file_kinds(
    pool: ThreadPoolExecutor,
    data: DataParams,
    columns: Columns,
    source: Source,
    known: Mapping[str, Kind] = MappingProxyType({}),
) -> dict[str, Kind]:
    """The kinds of the undeclared columns that one file has; `known`: what other files need already, and these take too."""
    raws = {name: raw for name in columns.undeclared if (raw := columns.raw_names[name]) in source.header}
    kinds: dict[str, Kind] = {name: source.kinds[raw] for name, raw in raws.items() if raw in source.kinds}
    wanted = {name: raw for name, raw in raws.items() if name not in kinds}  # the texts whose kinds are to be found
    if not wanted:
        return kinds
    raw_columns = RawColumns(data, columns)
    kinds |= {name: known.get(name, "missing") for name in wanted}

    def infer_block(block: Block) -> dict[str, Kind]:
        texts = {name: decode(raw_columns.get(block, name), marked=block.marked)[0] for name in wanted}
        return {name: infer(texts[name], kinds[name]) for name in wanted}

    for _, found in map_blocks(pool, infer_block, source.blocks(list(wanted.values()))):
        kinds |= unite_kinds([{name: kinds[name] for name in wanted}, found])
    return kinds


def map_blocks(
    pool: ThreadPoolExecutor, work: Callable[[_Block], _Result], blocks: Iterable[_Block]
) -> Iterator[tuple[_Block, _Result]]:
    """Each block and what `work` makes of it, in order, while later blocks are worked on; only a few are held at a time."""
    pending: deque[tuple[_Block, Future[_Result]]] = deque()
    for block in blocks:
        pending.append((block, pool.submit(work, block)))
        if len(pending) > (os.cpu_count() or 1):
            done, future = pending.popleft()
            yield done, future.result()
    while pending:
        done, future = pending.popleft()
        yield done, future.result()


def rejects_of(results: Sequence[FileResult], before: Sequence[FileResult] = ()) -> Iterator[Reject]:
    """The bad records of all files, in order. `before`: the files whose records came before these."""
    return (reject for _, reject in located(results, before))


def located(results: Sequence[FileResult], before: Sequence[FileResult] = ()) -> Iterator[tuple[FileResult, Reject]]:
    """The bad records, each with its file. Arguments as of `rejects_of`."""
    places = _places([*before, *results], results)
    for result in results:
        if result.num_rejects:
            faults = [fault if fault.first is None else replace(fault, value=places[fault.first]) for fault in result.faults]
            for reject in locate(result.source, faults):
                yield result, reject


def _places(files: Sequence[FileResult], results: Sequence[FileResult]) -> dict[int, str]:
    """Number of a record of the files → where it stands, of the images that others, of the results, are copies of."""
    numbers = sorted({fault.first for result in results for fault in result.faults if fault.first is not None})
    places: dict[int, str] = {}
    start = 0
    for result in files if numbers else ():
        end = start + result.num_records_in - len(result.source.malformed)
        inside = numbers[bisect_left(numbers, start) : bisect_left(numbers, end)]
        if inside:
            indices = indices_of(result.source, [number - start for number in inside])
            found = result.source.locate(indices)
            places.update(zip(inside, (place(result.source, each) for each in found), strict=True))
        start = end
    return places


def by_rule(results: Iterable[FileResult]) -> dict[str, int]:
    """How many records break each rule, in the order of the rules."""
    counts: Counter[str] = Counter()
    for result in results:
        counts.update(malformed.rule for malformed in result.source.malformed)
        counts.update(fault.check.rule for fault in result.faults)
    return {rule: counts[rule] for rule in RULES if counts[rule]}


def convert_file(
    reading: Reading,
    source: Source,
    file_split: str | None,
    *,
    writers: Mapping[str, ShardWriter],
    num_values: Counter[str],
) -> FileResult:
    """Writes the examples of one file; adds to `num_values` how many examples have each feature."""
    result = FileResult(source)
    (num_shards,) = {writer.num_shards for writer in writers.values()}
    finish = partial(reading.converter.finish, num_shards=num_shards)
    for block, converted in map_blocks(reading.pool, finish, reading.prepared(source, file_split)):
        result.num_records_in += block.num_records
        result.num_converted.update(block.num_converted)
        result.num_thinned.update(block.num_thinned)
        result.faults += converted.faults
        num_values.update(converted.num_values)
        for split, dealt in converted.framed.items():
            writers[split].write_dealt(dealt.parts, dealt.num_examples)
            result.num_examples[split] += dealt.num_examples
    result.num_records_in += len(source.malformed)
    return result
