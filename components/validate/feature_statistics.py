"""Statistics of one feature, as TFDV's BasicStatsGenerator and TopKUniquesStatsGenerator make them, that can be kept.

They are taken in batch by batch, merged with those of other records, and turned into a proto at the end. The quantiles are
tfx_bsl's own sketches, so that histograms are TFDV's; mean and variance are merged as by Chan, Golub and LeVeque, Updating
Formulae and a Pairwise Algorithm for Computing Sample Variances (1979), which is TFDV's way too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx_bsl.cc.tfx_bsl_extension import sketches
from tfx_bsl.cc.tfx_bsl_extension.arrow import array_util

from components.errors import TensorlineError
from components.validate.tfdv_parts import histograms
from components.validate.value_counts import ValueCounts

EPSILON = 0.01
NUM_BUCKETS = 10
NUM_TOP_VALUES, NUM_RANKS = 20, 1_000
"""TFDV's defaults: the error of a quantile, the buckets of histograms, top values, and the buckets of rank histograms."""
_FINER = 100
"""Histograms of equal widths are made from so many times as many quantiles."""
_MAX_VALUES = 1 << 32

Kind = Literal["INT", "FLOAT", "STRING"]


class Quantiles:
    """A sketch of numbers."""

    def __init__(self, sketch: Any = None) -> None:
        self._sketch = sketch or sketches.QuantilesSketch(eps=EPSILON, max_num_elements=_MAX_VALUES, num_streams=1)

    def add(self, values: pa.Array, counts: pa.Array | None = None) -> None:
        """Takes in numbers, and how often each came."""
        self._sketch.AddValues(values) if counts is None else self._sketch.AddValues(values, counts)

    def merge(self, other: Quantiles) -> None:
        """Takes in another's numbers."""
        self._sketch.Merge(other._sketch)

    def boundaries(self, num: int) -> tuple[np.ndarray, np.ndarray]:
        """(num + 1 quantiles, numbers up to each), float64. After that nothing can be added."""
        quantiles, counts = self._sketch.GetQuantilesAndCumulativeWeights(num)
        return tuple(each.flatten().to_numpy(zero_copy_only=False) for each in (quantiles, counts))

    def state(self) -> bytes:
        """A serialized proto of tfx_bsl's."""
        state: bytes = self._sketch.__getstate__()
        return state

    @classmethod
    def of(cls, state: bytes) -> Quantiles:
        """The inverse of `state`."""
        sketch = sketches.QuantilesSketch.__new__(sketches.QuantilesSketch)
        sketch.__setstate__(state)
        return cls(sketch)


@dataclass
class Numbers:
    """Of the values of a numeric feature that are no NaN, where it says no other."""

    num_zeros: int = 0
    num_nan: int = 0
    least: float = math.inf
    most: float = -math.inf
    finite_least: float = math.inf
    finite_most: float = -math.inf
    num_positive_infinite: int = 0
    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def add(self, values: np.ndarray) -> np.ndarray:
        """Takes in values, [values]; returns those that are no NaN."""
        if values.dtype.kind == "f":
            is_nan = np.isnan(values)
            if is_nan.any():
                self.num_nan += int(is_nan.sum())
                values = values[~is_nan]
        if not len(values):
            return values
        least, most = values.min().item(), values.max().item()
        self.least, self.most = min(self.least, least), max(self.most, most)
        if math.isinf(least) or math.isinf(most):
            finite = values[np.isfinite(values)]
            self.num_positive_infinite += int(np.isposinf(values).sum())
            if len(finite):
                least, most = finite.min().item(), finite.max().item()
        if math.isfinite(least) and math.isfinite(most):
            self.finite_least, self.finite_most = min(self.finite_least, least), max(self.finite_most, most)
        self.num_zeros += len(values) - int(np.count_nonzero(values))
        doubles = values.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):  # of infinities, as TFDV has it
            self._combine(len(doubles), float(doubles.mean()), float(doubles.var()))
        return values

    def merge(self, other: Numbers) -> None:
        """Takes in another's."""
        self.num_zeros += other.num_zeros
        self.num_nan += other.num_nan
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)
        self.finite_least = min(self.finite_least, other.finite_least)
        self.finite_most = max(self.finite_most, other.finite_most)
        self.num_positive_infinite += other.num_positive_infinite
        self._combine(other.count, other.mean, other.variance)

    def _combine(self, count: int, mean: float, variance: float) -> None:
        many, few = (self.count, self.mean, self.variance), (count, mean, variance)
        if few[0] > many[0]:
            many, few = few, many
        total = many[0] + few[0]
        if not total:
            return
        ratio = few[0] / total
        self.mean = many[1] + ratio * (few[1] - many[1])
        self.variance = many[2] + ratio * (few[2] - many[2] + (few[1] - self.mean) * (few[1] - many[1]))
        self.count = total


@dataclass
class Lengths:
    """Of the values of a STRING feature, or of integers that are codes, in bytes."""

    total: int = 0
    least: int | None = None
    most: int = 0
    num_invalid_utf8: int = 0

    def merge(self, other: Lengths) -> None:
        """Takes in another's."""
        self.total += other.total
        self.num_invalid_utf8 += other.num_invalid_utf8
        self.most = max(self.most, other.most)
        if other.least is not None:
            self.least = other.least if self.least is None else min(self.least, other.least)


@dataclass
class FeatureStatistics:
    """See the module's docstring.

    Attributes:
        name: The feature.
        is_whole: See `counting.Counting`; so `is_code`.
        kind: None as long as no value came.
        num_present: Records that have the feature.
        num_values: Values in all of them,
        least_values: in the one with the fewest,
        most_values: and in the one with the most.
        sizes: Values a record.
        numbers: Of a quantity;
        quantiles: so.
        lengths: Of a string or code.
        counts: Of a string or code.
    """

    name: str
    is_whole: bool = False
    is_code: bool = False
    kind: Kind | None = None
    num_present: int = 0
    num_values: int = 0
    least_values: int | None = None
    most_values: int = 0
    sizes: Quantiles = field(default_factory=Quantiles)
    numbers: Numbers = field(default_factory=Numbers)
    quantiles: Quantiles = field(default_factory=Quantiles)
    lengths: Lengths = field(default_factory=Lengths)
    counts: ValueCounts = field(default_factory=ValueCounts)

    def add(self, column: pa.Array) -> None:
        """Takes in a column as `examples_table.decode` gives it: a list a record, null where the feature is missing.

        Raises: TensorlineError if it holds other than before.
        """
        if pa.types.is_null(column.type):
            return
        values = column.flatten()
        self._is_of(_kind(values.type))
        self._count_values(column)
        if not len(values):
            return
        if self.kind == "STRING":
            self._add_strings(values)
        elif self.is_code and self.kind == "INT":
            counted = values.value_counts()
            self.counts.add(counted.field(0), counted.field(1))
            digits = pc.binary_length(counted.field(0).cast(pa.string()))
            self.lengths.total += int(pc.sum(pc.multiply(digits, counted.field(1))).as_py())
        else:
            numbers = self.numbers.add(values.to_numpy(zero_copy_only=False))
            if len(numbers):
                self.quantiles.add(pa.array(numbers))

    def _is_of(self, kind: Kind) -> None:
        if self.kind is None:
            self.kind = kind
        elif self.kind != kind:
            raise TensorlineError(
                f"feature '{self.name}' holds {kind} from some record on, and {self.kind} before. Expected one type; see what "
                "wrote these records."
            )

    def _count_values(self, column: pa.Array) -> None:
        sizes = column.value_lengths().drop_null()
        if not len(sizes):
            return
        counted = sizes.value_counts()
        different = counted.field(0)
        self.num_present += len(sizes)
        self.num_values += int(pc.sum(sizes).as_py())
        least, most = (int(each.as_py()) for each in pc.min_max(different).values())
        self.least_values = least if self.least_values is None else min(self.least_values, least)
        self.most_values = max(self.most_values, most)
        self.sizes.add(different, counted.field(1))

    def _add_strings(self, values: pa.Array) -> None:
        lengths = pc.binary_length(values)
        least, most = (int(each.as_py()) for each in pc.min_max(lengths).values())
        invalid = 0 if self.is_whole else array_util.CountInvalidUTF8(values)
        self.lengths.merge(Lengths(int(pc.sum(lengths).as_py()), least, most, invalid))
        if not self.is_whole:
            counted = values.value_counts()
            self.counts.add(counted.field(0), counted.field(1))

    def merge(self, other: FeatureStatistics) -> None:
        """Takes in those of other records. Raises: TensorlineError if they are of another type."""
        if other.kind is None:
            return
        self._is_of(other.kind)
        self.num_present += other.num_present
        self.num_values += other.num_values
        if other.least_values is not None:
            self.least_values = min(other.least_values, other.least_values if self.least_values is None else self.least_values)
        self.most_values = max(self.most_values, other.most_values)
        self.sizes.merge(other.sizes)
        self.numbers.merge(other.numbers)
        self.quantiles.merge(other.quantiles)
        self.lengths.merge(other.lengths)
        self.counts.merge(other.counts)

    def state(self) -> dict[str, Any]:
        """For `packed`."""
        kept = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in ("sizes", "quantiles", "counts"):
            kept[name] = kept[name].state()
        return {**kept, "numbers": dict(vars(self.numbers)), "lengths": dict(vars(self.lengths))}

    @classmethod
    def of(cls, state: dict[str, Any]) -> FeatureStatistics:
        """The inverse of `state`."""
        made = {
            "sizes": Quantiles.of(state["sizes"]),
            "quantiles": Quantiles.of(state["quantiles"]),
            "counts": ValueCounts.of(state["counts"]),
            "numbers": Numbers(**state["numbers"]),
            "lengths": Lengths(**state["lengths"]),
        }
        return cls(**{**state, **made})

    def proto(self, num_examples: int) -> statistics_pb2.FeatureNameStatistics:
        """As TFDV has it. After that nothing can be added.

        Args:
            num_examples: Records, with those that do not have the feature.
        """
        types = statistics_pb2.FeatureNameStatistics
        result = types(path={"step": [self.name]})
        common = self._common(num_examples)
        if self.is_whole and self.kind in {"STRING", None}:
            result.type = types.BYTES
            result.bytes_stats.common_stats.CopyFrom(common)
            if self.num_values:
                result.bytes_stats.avg_num_bytes = self.lengths.total / self.num_values
                result.bytes_stats.min_num_bytes = self.lengths.least or 0
                result.bytes_stats.max_num_bytes = result.bytes_stats.max_num_bytes_int = self.lengths.most
        elif self.kind in {"STRING", None} or (self.is_code and self.kind == "INT"):
            result.type = types.INT if self.kind == "INT" else types.STRING
            result.string_stats.common_stats.CopyFrom(common)
            self._tell_strings(result.string_stats)
        else:
            result.type = types.Type.Value(str(self.kind))
            result.num_stats.common_stats.CopyFrom(common)
            self._tell_numbers(result.num_stats)
        return result

    def _common(self, num_examples: int) -> statistics_pb2.CommonStatistics:
        common = statistics_pb2.CommonStatistics(
            num_non_missing=self.num_present, num_missing=num_examples - self.num_present, tot_num_values=self.num_values
        )
        if self.num_present:
            common.min_num_values, common.max_num_values = self.least_values or 0, self.most_values
            common.avg_num_values = self.num_values / self.num_present
            common.num_values_histogram.CopyFrom(
                histograms().generate_quantiles_histogram(*self.sizes.boundaries(NUM_BUCKETS))
            )
        return common

    def _tell_strings(self, told: statistics_pb2.StringStatistics) -> None:
        if self.num_values:
            told.avg_length = self.lengths.total / self.num_values
            told.unique = self.counts.num_distinct()
        told.invalid_utf8_count = self.lengths.num_invalid_utf8
        for rank, (value, count) in enumerate(self.counts.most_frequent(NUM_RANKS)):
            if rank < NUM_TOP_VALUES:
                told.top_values.add(value=value, frequency=count)
            told.rank_histogram.buckets.add(low_rank=rank, high_rank=rank, sample_count=count, label=value)

    def _tell_numbers(self, told: statistics_pb2.NumericStatistics) -> None:
        numbers, types = self.numbers, statistics_pb2.Histogram
        if not numbers.count:
            if numbers.num_nan:
                for kind in (types.STANDARD, types.QUANTILES):
                    told.histograms.add(type=kind, num_nan=numbers.num_nan)
            return
        told.mean, told.std_dev = numbers.mean, math.sqrt(max(0.0, numbers.variance))
        told.num_zeros = numbers.num_zeros
        told.min, told.max = float(numbers.least), float(numbers.most)
        quantiles, counts = self.quantiles.boundaries(_FINER * NUM_BUCKETS)
        told.median = float(histograms().find_median(quantiles))
        exact = np.float32 if self.kind == "FLOAT" else np.float64  # TFDV divides the range as precisely as values are
        equal_widths = histograms().generate_equi_width_histogram(
            quantiles=quantiles,
            cumulative_counts=counts,
            finite_min=exact(numbers.finite_least),
            finite_max=exact(numbers.finite_most),
            num_buckets=NUM_BUCKETS,
            num_pos_inf=float(numbers.num_positive_infinite),
        )
        by_quantiles = histograms().generate_quantiles_histogram(*histograms().rebin_quantiles(quantiles, counts, _FINER))
        for histogram in (equal_widths, by_quantiles):
            histogram.num_nan = numbers.num_nan
            told.histograms.add().CopyFrom(histogram)


def _kind(values: pa.DataType) -> Kind:
    if pa.types.is_integer(values):
        return "INT"
    return "FLOAT" if pa.types.is_floating(values) else "STRING"
