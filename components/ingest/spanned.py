"""Reads data that arrive in spans: each span once, as long as neither its files change nor what all spans decide together.

Adding a span reads that span alone. Yet the examples, the rejects and the report are, to the byte, those of an ingest of all
spans from the beginning, for what a span cannot know alone is decided anew each time, from little that is kept of each:

* which columns there are, and of what kinds: from each file's header, and the kinds that suit its own values;
* which images are copies of earlier ones: from 64 bits of each image's digest;
* whether too many records are bad, which splits are empty, what the data's digest is: from counts and digests.

Where such a decision turns out otherwise than it did when a span was read, that span is read anew.

Each span has TFRecord files of its own, `Split-train/data-span-3-00000-of-00004.tfrecord`, so that whatever is computed of the
examples later can also be kept by span.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from components import progress
from components.errors import UserError
from components.ingest.batch import Batch, FileCounts, check_account
from components.ingest.columns import Columns
from components.ingest.copies import Copies, Judgement, digests_of, join
from components.ingest.image_pool import ImagePool
from components.ingest.kept import EXAMPLES_FOLDER, FileLook, KeptSpan, KeptSpans, SpanRead
from components.ingest.kinds import Kind
from components.ingest.reading import (
    FileResult,
    Reading,
    convert_file,
    infer_file_kinds,
    located,
    open_converter,
    open_copies,
    unite_kinds,
)
from components.ingest.records import Converter, Prepared
from components.ingest.rejected_images import MOST_KEPT, keep_rejected
from components.ingest.shards import num_shards
from components.ingest.source import Located, Malformed, Source
from components.ingest.sources import check_headers, digest_pieces, of_span, open_sources, span_inputs
from components.ingest.spans import Span, find_spans, newest
from components.params.models import SPLITS, DataParams
from components.tfrecord_writer import ShardWriter

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

_NEW = "new"
_DAMAGED = "what was kept of it is damaged"


def read_spans(
    data: DataParams, schema: schema_pb2.Schema | None, examples: Path, state: Path, pool: ThreadPoolExecutor
) -> Batch:
    """Makes examples of the newest spans; arguments, and what is raised, as of `ingest.ingest`."""
    found = find_spans(Path(), str(data.path))
    kept = KeptSpans(state)
    whole = hashlib.sha256()
    images = ImagePool()  # starts no process before there is work for it
    used = newest(found, data.last_spans)
    spans = [_Span(data, span, kept.span(span.name, _content_digest(data, span, whole)), images) for span in used]
    columns, facts, converter = _decide(data, schema, spans, pool)
    reader = _Reader(data, kept, pool, columns, facts, converter, open_copies(data, columns))
    for each in spans:
        reader.take_or_read(each)
    kept.remove_stale({each.span.name: each.kept for each in spans}, {span.name for span in found})
    for split in SPLITS:
        (examples / f"Split-{split}").mkdir(parents=True, exist_ok=True)
    for each in spans:
        each.kept.link_shards(examples)
    return Batch(
        [counts for read in reader.reads for counts in read.files],
        {split: sum(read.num_examples[split] for read in reader.reads) for split in SPLITS},
        columns.features,
        converter.feature_kinds,
        sum((Counter(read.num_values) for read in reader.reads), Counter()),
        lambda: (reject for each in spans for reject in each.kept.rejects()),
        lambda folder: _gather_rejected(folder, [(each.kept, read) for each, read in zip(spans, reader.reads, strict=True)]),
        sum(reader.copies.num_copies.values()),
        whole.hexdigest(),
        spans={
            "found": [span.name for span in found],
            "used": [each.span.name for each in spans],
            "ingested": reader.ingested,
        },
    )


@dataclass
class _Span:
    """One span that is used.

    Attributes:
        data: The section `data` of all spans.
        span: Itself.
        kept: Where it is kept.
        images: Decodes images.
        looks: Of its files.
    """

    data: DataParams
    span: Span
    kept: KeptSpan
    images: ImagePool

    @cached_property
    def sources(self) -> list[Source]:
        """Its files, opened where they are needed."""
        return [source for source, _ in open_sources(of_span(self.data, self.span), self.images)]

    @cached_property
    def looks(self) -> list[FileLook]:
        """Of its files, as far as they are known."""
        return self.kept.load_look() or [FileLook.of(source) for source in self.sources]

    def infer(self, columns: Columns, pool: ThreadPoolExecutor) -> None:
        """Completes the looks by the kinds of the undeclared columns, and keeps them."""
        raws = {name: columns.raw_names[name] for name in columns.undeclared}
        if all({name for name, raw in raws.items() if raw in look.header} <= set(look.kinds) for look in self.looks):
            if self.kept.load_look() is None:
                self.kept.save_look(self.looks)
            return
        self.looks = [
            replace(look, kinds=infer_file_kinds(pool, self.data, columns, source))
            for look, source in zip(self.looks, self.sources, strict=True)
        ]
        self.kept.save_look(self.looks)


def _content_digest(data: DataParams, span: Span, whole: Any) -> str:
    """SHA-256 of the names and contents of a span's files, whose contents are added to `whole`, that of all spans."""
    content = hashlib.sha256()
    for path in span_inputs(data, span):
        content.update(f"{path.as_posix()}\n".encode(errors="surrogateescape"))
        for piece in digest_pieces(path):
            content.update(piece)
            whole.update(piece)
    return content.hexdigest()


def _decide(
    data: DataParams, schema: schema_pb2.Schema | None, spans: Sequence[_Span], pool: ThreadPoolExecutor
) -> tuple[Columns, dict[str, Any], Converter]:
    """What all spans decide together: the columns, what each record is read by (as JSON types), and what reads it."""
    looks = [look for each in spans for look in each.looks]
    check_headers(data, [look.own_header for look in looks])
    header = list(dict.fromkeys(name for look in looks for name in look.header))
    columns = Columns(data, header, schema)
    _check_images(columns, data, looks)
    for each in spans:
        each.infer(columns, pool)
    looks = [look for each in spans for look in each.looks]
    wanted: dict[str, Kind] = dict.fromkeys(columns.undeclared, "missing")
    inferred = unite_kinds([wanted, *({name: look.kinds[name] for name in wanted if name in look.kinds} for look in looks)])
    kinds = columns.kinds(inferred)
    measured = sorted({name for look in looks for name in look.measured})
    converter = open_converter(data, columns, kinds, measured)
    return columns, {"columns": list(map(list, columns.raw_names.items())), "kinds": kinds, "measured": measured}, converter


def _check_images(columns: Columns, data: DataParams, looks: Sequence[FileLook]) -> None:
    """JSON Lines may lack any column but one of images in a whole span: it would be none of images there."""
    for name in data.images:
        raw = columns.raw_names[name]
        for look in looks:
            if raw not in look.header:
                raise UserError(
                    f"{look.path}: no column {raw!r}, nor has any file of its span. Expected the images of "
                    f"data.images.{name} in every span. Add them, or move the span elsewhere."
                )


@dataclass
class _Reader:
    """Takes or reads one span after the other.

    Attributes:
        copies: What is known of all images so far.
        reads: What was read of each span so far.
        ingested: Names of the spans that were read anew.
    """

    data: DataParams
    kept: KeptSpans
    pool: ThreadPoolExecutor
    columns: Columns
    facts: dict[str, Any]
    converter: Converter
    copies: Copies
    reads: list[SpanRead] = field(default_factory=list)
    ingested: list[str] = field(default_factory=list)
    _results: list[FileResult] = field(default_factory=list)
    _starts: list[tuple[int, str]] = field(default_factory=list)

    def take_or_read(self, span: _Span) -> None:
        """Has the span in `span.kept`, as all spans together want it."""
        self._starts.append((self.copies.num_records, span.kept.folder.name))
        read = span.kept.load_read()
        judgement = None
        reason = self._reason(span, read)
        if read is not None and not reason and self.data.image_columns:
            judgement = self._replay(span.kept.fingerprints())
            if self._digest(judgement) != read.judgement:
                reason = "images of earlier spans are other ones now"
        if read is None or reason:
            if reason != _NEW:
                progress.tell(f"span {span.span.name} is read anew: {reason}")
            read, results = self._read(span, judgement)
            self.ingested.append(span.span.name)
        else:
            results = _reopened(span, read) if self.data.image_columns else []
        self.reads.append(read)
        self._results += results

    def _reason(self, span: _Span, read: SpanRead | None) -> str:
        """Why a span must be read; nothing if it need not be."""
        if read is None:
            if span.kept.was_read:
                return _DAMAGED
            return "its files changed" if self.kept.others(span.kept) else _NEW
        if read.facts != self.facts:
            return _difference(read.facts, self.facts)
        return "" if span.kept.is_intact(read) else _DAMAGED

    def _read(self, span: _Span, judgement: Judgement | None) -> tuple[SpanRead, list[FileResult]]:
        name, begun = span.span.name, span.kept.begin()
        shards = num_shards(self.data, span_inputs(self.data, span.span))
        folder = begun / EXAMPLES_FOLDER
        writers = {split: ShardWriter(folder / f"Split-{split}", shards, f"data-span-{name}") for split in SPLITS}
        num_values: Counter[str] = Counter()
        judge = _Watched(self.copies, self.data.image_columns, judgement) if self.data.image_columns else self.copies
        reading = Reading(self.pool, [(source, None) for source in span.sources], self.columns, self.converter, judge)
        results = [convert_file(reading, source, None, writers=writers, num_values=num_values) for source in span.sources]
        bad = list(located(results, self._results))
        keep_rejected(begun / span.kept.rejected.name, ((result.source, reject) for result, reject in bad))
        watched = judge if isinstance(judge, _Watched) else None
        read = SpanRead(
            self.facts,
            self._digest(watched.judgement) if watched else "",
            [FileCounts.of(self.data, result, name) for result in results],
            {split: writer.num_records for split, writer in writers.items()},
            dict(num_values),
            [[malformed.index for malformed in result.source.malformed] for result in results] if watched else [],
        )
        _check_span(name, read)  # what is lost must not be kept
        span.kept.finish(begun, read, [reject for _, reject in bad], watched.fingerprints if watched else None)
        return read, results

    def _replay(self, fingerprints: np.ndarray) -> Judgement:
        digests = {name: fingerprints[str(index)] for index, name in enumerate(self.data.image_columns)}
        return self.copies.compare(fingerprints["split"], digests)

    def _digest(self, judgement: Judgement) -> str:
        return judgement.digest(self.converter.feature_kinds, self._place)

    def _place(self, number: int) -> str:
        """A record by its span, and its number there."""
        start, folder = next((start, folder) for start, folder in reversed(self._starts) if start <= number)
        return f"{folder}:{number - start}"


def _check_span(name: str, read: SpanRead) -> None:
    """Raises an AccountingError unless all records of a span that was read are accounted for."""
    num_in = num_rejects = num_thinned = 0
    for counts in read.files:
        thinned = sum(counts.num_thinned.values())
        check_account(counts.path, counts.num_records_in, sum(counts.num_examples.values()), counts.num_rejects, thinned)
        num_in += counts.num_records_in
        num_rejects += counts.num_rejects
        num_thinned += thinned
    check_account(f"span {name}", num_in, sum(read.num_examples.values()), num_rejects, num_thinned)


class _Watched:
    """Judges images, and notes what it takes to do so again without reading them.

    Attributes:
        copies: What judges them.
        columns: Those of images.
        known: The judgement of all records, where it was made before, which `copies` knows of.
    """

    def __init__(self, copies: Copies, columns: Collection[str], known: Judgement | None) -> None:
        self.copies = copies
        self.known = known
        self._start = 0
        self._types = [("split", np.int8), *((str(index), "<u8") for index in range(len(columns)))]
        self._blocks = [np.empty(0, self._types)]
        # Of no records, so that there is one where there are none.
        self._judgements = [copies.compare(np.empty(0, np.int8), dict.fromkeys(columns, np.empty(0, np.uint64)))]

    @property
    def fingerprints(self) -> np.ndarray:
        """Of each record its split before images were judged, and the digests of its images by the columns' numbers."""
        return np.concatenate(self._blocks)

    @property
    def judgement(self) -> Judgement:
        """Of all records so far."""
        return join(self._judgements)

    def judge(self, prepared: Prepared) -> Prepared:
        """See `copies.Copies.judge`."""
        digests = digests_of(prepared)
        block = np.empty(prepared.num_records, self._types)
        block["split"] = prepared.splits
        for index, values in enumerate(digests.values()):
            block[str(index)] = values
        rows = slice(self._start, self._start + prepared.num_records)
        judgement = self.copies.compare(block["split"], digests) if self.known is None else self.known.part(rows)
        judgement.apply(prepared)
        self._start = rows.stop
        self._blocks.append(block)
        self._judgements.append(judgement)
        return prepared


@dataclass
class _Reopened:
    """A file of a span that was taken, opened only to tell where one of its records stands."""

    span: _Span
    index: int
    malformed: list[Malformed]

    @property
    def path(self) -> Path:
        """See `source.Source`."""
        return self.span.sources[self.index].path

    @property
    def unit(self) -> Literal["line", "row"]:
        """See `source.Source`."""
        return self.span.sources[self.index].unit

    def locate(self, indices: Sequence[int]) -> Iterator[Located]:
        """See `source.Source`."""
        return self.span.sources[self.index].locate(indices)


def _reopened(span: _Span, read: SpanRead) -> list[FileResult]:
    """The files of a span that was taken, as `reading.located` needs those that come before others."""
    return [
        # Only the malformed records' indices matter: the others are counted by them.
        FileResult(_Reopened(span, number, [Malformed(index, "ragged", "", "") for index in indices]), counts.num_records_in)  # type: ignore[arg-type]
        for number, (counts, indices) in enumerate(zip(read.files, read.malformed, strict=True))
    ]


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What all spans decide otherwise than they did."""
    kinds, old = now["kinds"], before["kinds"]
    for name, kind in kinds.items():
        if old.get(name, kind) != kind:
            return f"column {name!r} is of the kind {kind} now, for all spans together, and was of the kind {old[name]}"
    names, old_names = ([name for name, _ in facts["columns"]] for facts in (now, before))
    for gone, there, words in ((old_names, names, "is no more"), (names, old_names, "is new")):
        for name in gone:
            if name not in there:
                return f"column {name!r} {words}"
    return "the columns have another order now"


def _gather_rejected(folder: Path, spans: Iterable[tuple[KeptSpan, SpanRead]]) -> None:
    """The first few of the rejected images of all spans, numbered anew."""
    num_before = num_kept = 0
    for kept, read in spans:
        for file in sorted(kept.rejected.iterdir(), key=_number) if kept.rejected.is_dir() else ():
            if num_kept == MOST_KEPT:
                return
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{num_before + _number(file):03d}_{file.name.partition('_')[2]}"
            (folder / name).write_bytes(file.read_bytes())
            num_kept += 1
        num_before += sum(counts.num_rejects for counts in read.files)


def _number(file: Path) -> int:
    """Of the reject that the image is of."""
    return int(file.name.partition("_")[0])
