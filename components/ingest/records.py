"""One block of raw records becomes framed tf.Examples by split, and faults."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.columns import Columns
from components.ingest.framed_examples import framed_examples
from components.ingest.image_codec import CONVERSIONS
from components.ingest.kinds import ARROW_TYPES, Kind
from components.ingest.rejects import Check, Fault
from components.ingest.source import Block
from components.ingest.sources import NAN_SPELLINGS
from components.ingest.split import (
    NO_SPLIT,
    THINNED,
    hash_fractions,
    join_present,
    split_by_calendar,
    split_by_column,
    split_by_hash,
    split_by_time,
)
from components.ingest.text_column import TextColumn
from components.ingest.times import joined, read_times
from components.ingest.values import as_text, decode, key_text, parse
from components.ingest.windows import Series, WindowMaker
from components.params.models import SPLITS, CalendarSplit, ColumnSplit, DataParams, FilesSplit, HashSplit, TimeSplit
from components.tfrecord_writer import deal

_FEATURE_TYPES: dict[Kind, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float32(),
    "string": pa.binary(),
    "bytes": pa.binary(),
}


class RawColumns:
    """The columns of a block as text (binary) or values, missing where a CSV's text is one of `data.null_values`.

    In the columns of `data.allow_nonfinite` `NaN` and `nan` are values, whatever `data.null_values` says.

    Args:
        data: The parameters.
        columns: The columns that they make.
    """

    def __init__(self, data: DataParams, columns: Columns) -> None:
        self._columns = columns
        self._format = data.format
        self._allow_nan = data.allow_nonfinite
        self._nans = pa.array([text.encode() for text in data.null_values if text in NAN_SPELLINGS], pa.binary())

    def get(self, block: Block, name: str) -> pa.Array:
        """The column that is now called `name`; [records]. All is missing where the file lacks it, if its format allows it."""
        array = block.columns.get(self._columns.raw_names[name])
        if array is None:
            return pa.nulls(block.num_records, pa.binary())
        if self._format != "csv" or not self._allow_nan or name in self._allow_nan:
            return array
        return pc.if_else(pc.is_in(array, self._nans), pa.scalar(None, pa.binary()), array)


@dataclass(frozen=True)
class Times:
    """When the rows of a time series were taken, [records] each.

    Attributes:
        texts: As the file tells the time.
        times: See `times.read_times`.
        places: Likewise.
    """

    texts: pa.Array
    times: np.ndarray
    places: np.ndarray


@dataclass
class Prepared:
    """A block whose records are judged one by one, but not yet against those before them.

    Attributes:
        num_records: In the block.
        features: Feature → values, [records].
        splits: Index into `SPLITS`, `NO_SPLIT` for bad records, or `THINNED`; int8, [records].
        faults: Of the bad records.
        images: Column of images → what was measured: `image_batch.IMAGE`, [records].
        num_thinned: Condition of `data.thin` → how many good records were left out by it.
        times: Of the rows of a time series.
    """

    num_records: int
    features: dict[str, pa.Array]
    splits: np.ndarray
    faults: _Faults
    images: dict[str, np.ndarray]
    num_thinned: dict[str, int]
    times: Times | None = None

    @property
    def num_converted(self) -> dict[str, int]:
        """How many images of the examples were written anew, by reason."""
        bits = [table["converted"][self.splits >= 0] for table in self.images.values()]
        return {name: sum(int(np.count_nonzero(each & 1 << bit)) for each in bits) for bit, name in enumerate(CONVERSIONS)}

    def series(self, columns: Sequence[str]) -> Series:
        """The good rows of a time series, with the values of these columns."""
        assert self.times is not None  # noqa: S101  only of windows
        good = np.flatnonzero(self.splits != NO_SPLIT)
        values = np.empty((self.num_records, len(columns)), np.float32)
        for index, name in enumerate(columns):
            values[:, index] = pc.fill_null(self.features[name], np.nan).to_numpy()
        return Series(self.times.times[good], self.times.places[good], self.splits[good], values[good])

    def refuse_disordered(self, maker: WindowMaker, column: str) -> None:
        """Makes rows of a time series bad that do not come after those before; `column` is the first that tells the time."""
        assert self.times is not None  # noqa: S101  only of windows
        good = np.flatnonzero(self.splits != NO_SPLIT)
        broken = np.zeros(self.num_records, bool)
        broken[good] = maker.disordered(self.times.times[good], self.times.places[good])
        self.faults.add(Check.order(column), pa.array(broken), self.times.texts)
        self.splits[broken] = NO_SPLIT

    def refuse(self, check: Check, broken: np.ndarray, firsts: np.ndarray) -> None:
        """Makes copies bad records: those where `broken` is true; `firsts` has the numbers of what they are copies of."""
        self.faults.add_copies(check, np.flatnonzero(broken), firsts)
        self.splits[broken] = NO_SPLIT


@dataclass(frozen=True)
class Dealt:
    """Framed examples of one split of a block: for each shard their bytes, in the order of `tfrecord_writer.deal`."""

    parts: list[memoryview]
    num_examples: int


@dataclass(frozen=True)
class Converted:
    """What became of a block.

    Attributes:
        framed: Split → its framed examples, dealt out to shards.
        faults: Of the records that are not among them, in the block's order.
        num_values: Feature → number of examples that have it.
    """

    framed: dict[str, Dealt]
    faults: list[Fault]
    num_values: dict[str, int]


class Converter:
    """Turns blocks into examples; safe to use from several threads.

    Args:
        data: The parameters.
        columns: The columns that they make.
        kinds: The kind of every column.
        unhashed: Columns that have no say in a record's split, by their names in the files.
    """

    def __init__(
        self, data: DataParams, columns: Columns, kinds: Mapping[str, Kind], unhashed: Collection[str] = frozenset()
    ) -> None:
        self._data = data
        self._columns = columns
        self._kinds = kinds
        self._raw_columns = RawColumns(data, columns)
        # Copies of an image belong to one split, whatever the names of their files.
        hashed = data.image_columns or [name for name, raw in columns.raw_names.items() if raw not in unhashed]
        self._hashed = sorted(hashed, key=self._raw_name)
        self._texts = {name: TextColumn(name, params) for name, params in data.text_columns.items()}

    @property
    def feature_kinds(self) -> dict[str, Kind]:
        """The features that examples can have, and their kinds; those of unknown kind have no value anywhere.

        Of windows: the columns that they are made of, all of them numbers.
        """
        if self._data.windows is not None:
            return dict.fromkeys(self._columns.features, "number")
        return {name: self._kinds[name] for name in self._columns.features if self._kinds[name] != "missing"}

    def prepare(self, block: Block, file_split: str | None) -> Prepared:
        """Reads, derives and judges the values of one block.

        Args:
            block: Records of one file.
            file_split: The split of the whole file, where split files are given.
        """
        faults = _Faults(block.first_row)
        texts = self._decode(block, faults)
        values = self._parse(texts, faults)
        for name, column in self._texts.items():
            prepared = column.prepare(values[name])
            values[name] = prepared.texts
            values |= {f"{name}_{suffix}": measured for suffix, measured in prepared.measured.items()}
            for check, broken in column.checks(prepared, self._raw_name(name)):
                faults.add(check, broken)
        images = {}
        for name in self._data.image_columns:
            found = block.images[self._raw_name(name)]
            values |= {f"{name}_{suffix}": measured for suffix, measured in found.measured().items()}
            values[f"{name}_copies"] = pa.repeat(pa.scalar(0, pa.int64()), block.num_records)  # until they are counted
            images[name] = found.table
        for name, expression in self._columns.expressions.items():
            result = expression.evaluate(values, block.num_records)
            values[name] = pc.cast(result, ARROW_TYPES[self._kinds[name]], safe=False)
        for name, array in values.items():
            if array.type == pa.float64() and name not in self._data.allow_nonfinite:
                # tf.Example holds float32: 1e300 becomes infinite there.
                written = pc.cast(array, pa.float32(), safe=False) if name in self._columns.features else array
                finite = pc.is_finite(written)
                check = Check.nonfinite(self._raw_name(name), may_allow=self._data.windows is None)
                faults.add(check, pc.invert(finite), self._unwritten(name, array))
        times = self._times(texts, faults)
        if self._data.label is not None and times is None:
            label, name = values[self._data.label], self._data.label
            faults.add(Check.label(self._raw_name(name)), pc.is_null(label), self._unwritten(name, label))
        features = {name: pc.cast(values[name], _FEATURE_TYPES[kind], safe=False) for name, kind in self.feature_kinds.items()}
        splits = self._split(block, texts, values, file_split, faults, times).copy()  # Arrow's memory is read-only
        splits[faults.rows()] = NO_SPLIT
        num_thinned = self._thin(block, values, splits)
        return Prepared(block.num_records, features, splits, faults, images, num_thinned, times)

    def finish(self, prepared: Prepared, num_shards: int) -> Converted:
        """Makes the examples of a block, dealt out to so many shards a split."""
        dealt = {split: deal(np.flatnonzero(prepared.splits == number), num_shards) for number, split in enumerate(SPLITS)}
        # Columns are put in the order of the shards, so that examples, which are several times larger, need not be moved.
        order = pa.array(np.concatenate([rows for parts in dealt.values() for rows in parts]))
        features = {name: array.take(order) for name, array in prepared.features.items()}
        # All at once, since each of the many steps takes its time however few the records.
        content, positions = framed_examples(features, len(order))
        framed: dict[str, Dealt] = {}
        done = 0
        for split, parts in dealt.items():
            ends = done + np.cumsum([0, *map(len, parts)])
            edges = positions[ends].tolist()
            framed[split] = Dealt([content[start:end] for start, end in itertools.pairwise(edges)], int(ends[-1]) - done)
            done = int(ends[-1])
        num_values = {name: len(array) - array.null_count for name, array in features.items()}
        return Converted(framed, prepared.faults.list(), num_values)

    def _raw_name(self, name: str) -> str:
        return self._columns.raw_names.get(name, name)

    def _decode(self, block: Block, faults: _Faults) -> dict[str, pa.Array]:
        needed = list(self._columns.typed)
        split = self._data.split
        if isinstance(split, ColumnSplit) and split.column in self._columns.raw_names and split.column not in needed:
            needed.append(split.column)
        texts = {}
        for name in needed:
            if self._kinds.get(name) == "bytes":
                texts[name] = self._raw_columns.get(block, name)
                continue
            texts[name], undecodable = decode(self._raw_columns.get(block, name), marked=block.marked)
            faults.add(Check.encoding(self._raw_name(name), self._data.encoding), undecodable)
        return texts

    def _parse(self, texts: Mapping[str, pa.Array], faults: _Faults) -> dict[str, pa.Array]:
        values = {}
        for name in self._columns.typed:
            kind = self._kinds[name]
            if kind == "bytes":
                values[name] = texts[name]
                continue
            values[name], unreadable = parse(texts[name], kind)
            if unreadable is not None:
                faults.add(Check.type(self._raw_name(name), kind), unreadable)
        return values

    def _times(self, texts: Mapping[str, pa.Array], faults: _Faults) -> Times | None:
        """When the rows were taken; None where records are no rows of a time series."""
        windows = self._data.windows
        if windows is None:
            return None
        told = joined([as_text(texts[name]) for name in windows.time])
        times, places = read_times(told, windows.time_format)
        check = Check.time(self._raw_name(windows.time[0]), windows.time_format)
        faults.add(check, pa.array(np.isnat(times)), told)
        return Times(told, times, places)

    def _unwritten(self, name: str, values: pa.Array) -> pa.Array | None:
        """The values of a derived column: no file shows them."""
        return values if name in self._columns.expressions else None

    def _split(
        self,
        block: Block,
        texts: Mapping[str, pa.Array],
        values: Mapping[str, pa.Array],
        file_split: str | None,
        faults: _Faults,
        times: Times | None,
    ) -> np.ndarray:
        split = self._data.split
        if isinstance(split, CalendarSplit):
            assert times is not None  # noqa: S101  only windows have this split
            return split_by_calendar(times.places, split)
        if isinstance(split, FilesSplit):
            return np.full(block.num_records, SPLITS.index(str(file_split)), np.int8)
        if isinstance(split, HashSplit):
            # The text of the file, not the values: so the split outlives changes of casts and derived columns.
            keys = [self._key(block, name, values) for name in split.key] if split.key else self._content(block, values)
            return split_by_hash(keys, split)
        if isinstance(split, TimeSplit):
            told = values[split.column]
            if times is not None and self._data.windows is not None and split.column in self._data.windows.time:
                told = pc.strftime(pa.array(times.times), "%Y-%m-%dT%H:%M:%S")  # ISO 8601, however the file tells it
            splits = split_by_time(told, split)
            expected = "an ISO 8601 date or time" if isinstance(split.eval_from, str) else "a number"
            column = values[split.column]
        else:
            column = as_text(texts[split.column] if split.column in texts else values[split.column])
            splits = split_by_column(column, split)
            expected = f"one of {', '.join(value for name in SPLITS for value in getattr(split, name))}"
        faults.add(
            Check.split(self._raw_name(split.column), expected),
            pa.array(splits == NO_SPLIT),
            self._unwritten(split.column, column),
        )
        return splits

    def _thin(self, block: Block, values: Mapping[str, pa.Array], splits: np.ndarray) -> dict[str, int]:
        """Marks the good records that `data.thin` leaves out; returns how many each condition did."""
        if not self._columns.thinning:
            return {}
        # Of another stream than the splits: what is kept would else all be in train.
        fractions = hash_fractions(self._content(block, values), 2)
        num_thinned = {}
        undecided = splits != NO_SPLIT
        for condition, kept in self._columns.thinning:
            met = pc.fill_null(pc.cast(condition.evaluate(values, block.num_records), pa.bool_()), False)
            decided = undecided & met.to_numpy(zero_copy_only=False)
            undecided &= ~decided
            left_out = decided & (fractions >= kept)
            splits[left_out] = THINNED
            num_thinned[condition.text] = int(np.count_nonzero(left_out))
        return num_thinned

    def _content(self, block: Block, values: Mapping[str, pa.Array]) -> list[pa.Array]:
        """The whole record as texts to be hashed."""
        keys = [self._key(block, name, values) for name in self._hashed]
        if self._data.format == "jsonl":
            # Files may have other keys: one more of them must not move the records that lack it.
            keys = [join_present(dict(zip(map(self._raw_name, self._hashed), keys, strict=True)))]
        return keys

    def _key(self, block: Block, name: str, values: Mapping[str, pa.Array]) -> pa.Array:
        if name in self._columns.raw_names:
            return key_text(self._raw_columns.get(block, name))
        return pc.cast(pc.cast(values[name], pa.string()), pa.binary())


class _Faults:
    """The faults of one block: the first of each record."""

    def __init__(self, first_row: int) -> None:
        self._first_row = first_row
        self._by_row: dict[int, Fault] = {}

    def add(self, check: Check, broken: pa.Array | None, unwritten: pa.Array | None = None) -> None:
        """Notes the records in which `broken` is true; `unwritten` has the values that no file shows."""
        if broken is None or not pc.any(broken).as_py():
            return
        for row in np.flatnonzero(pc.fill_null(broken, False).to_numpy(zero_copy_only=False)).tolist():
            found = unwritten[row].as_py() if unwritten is not None else None
            value = None if unwritten is None else "" if found is None else str(found)
            self._by_row.setdefault(row, Fault(self._first_row + row, check, value))

    def add_copies(self, check: Check, rows: np.ndarray, firsts: np.ndarray) -> None:
        """Notes copies of images; `firsts`, [records of the block], has the numbers of the records that they are copies of."""
        for row in rows.tolist():
            self._by_row.setdefault(row, Fault(self._first_row + row, check, first=int(firsts[row])))

    def rows(self) -> list[int]:
        """Rows of the block that are bad."""
        return list(self._by_row)

    def list(self) -> list[Fault]:
        """All, in the block's order."""
        return [fault for _, fault in sorted(self._by_row.items())]
