"""What ingest and its check share: the files, their records up to the examples, and what is wrong with some."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

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


class Reading:
    """The files of a section `data`, ready to be read.

    Attributes:
        sources: The files, with the split of each where split files are given.
        columns: The columns that they make.
        converter: Turns their blocks into examples.
        copies: Counts copies of images.

    Args:
        data: The parameters.
        schema: The reviewed schema, or None to infer the columns' types.
        pool: Threads that work on blocks.

    Raises:
        ParamsError: With a line for each mistake in `data` that the files reveal.
        UserError: If a file can't be read.
    """

    def __init__(self, data: DataParams, schema: schema_pb2.Schema | None, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.sources = find_sources(data)
        header = list(dict.fromkeys(name for source, _ in self.sources for name in source.header))
        self.columns = Columns(data, header, schema)
        kinds = self.columns.kinds(infer_kinds(pool, data, self.columns, [source for source, _ in self.sources]))
        check_split(data.split, kinds)
        unhashed = frozenset().union(*(source.measured for source, _ in self.sources))
        self.converter = Converter(data, self.columns, kinds, unhashed)
        # Messages name the column of images, but not where a file is a record.
        shown = {name: "" if data.format == "images" else self.columns.raw_names[name] for name in data.image_columns}
        self.copies = Copies(data.image_columns, shown)

    def prepared(self, source: Source, file_split: str | None) -> Iterator[Prepared]:
        """The blocks of one file, judged in themselves and against what came before; files must come in order."""
        prepare = partial(self.converter.prepare, file_split=file_split)
        return (self.copies.judge(each) for _, each in map_blocks(self._pool, prepare, source.blocks()))


def infer_kinds(pool: ThreadPoolExecutor, data: DataParams, columns: Columns, sources: Sequence[Source]) -> dict[str, Kind]:
    """The kinds of the columns that nobody declared, from the files' types, or else every value of every file."""
    kinds: dict[str, Kind] = dict.fromkeys(columns.undeclared, "missing")
    if not kinds:
        return kinds
    raw_columns = RawColumns(data, columns)

    def infer_block(names: Sequence[str], block: Block) -> dict[str, Kind]:
        texts = {name: decode(raw_columns.get(block, name), marked=block.marked)[0] for name in names}
        return {name: infer(texts[name], kinds[name]) for name in names}

    def add(found: Mapping[str, Kind]) -> None:
        for name, kind in found.items():
            kinds[name] = unify([kinds[name], kind]) or "string"

    for source in sources:
        known = {name: source.kinds[raw] for name in kinds if (raw := columns.raw_names[name]) in source.kinds}
        add(known)
        # The texts whose kinds are to be found; a column that this file lacks says nothing.
        wanted = [name for name in kinds if name not in known and columns.raw_names[name] in source.header]
        if wanted:
            for _, found in map_blocks(
                pool, partial(infer_block, wanted), source.blocks([columns.raw_names[name] for name in wanted])
            ):
                add(found)
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


def rejects_of(results: Sequence[FileResult]) -> Iterator[Reject]:
    """The bad records of all files, in order."""
    return (reject for _, reject in located(results))


def located(results: Sequence[FileResult]) -> Iterator[tuple[FileResult, Reject]]:
    """The bad records, each with its file."""
    places = _places(results)
    for result in results:
        if result.num_rejects:
            faults = [fault if fault.first is None else replace(fault, value=places[fault.first]) for fault in result.faults]
            for reject in locate(result.source, faults):
                yield result, reject


def _places(results: Sequence[FileResult]) -> dict[int, str]:
    """Number of a record → where it stands, of the images that others are copies of."""
    numbers = sorted({fault.first for result in results for fault in result.faults if fault.first is not None})
    places: dict[int, str] = {}
    start = 0
    for result in results:
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
