"""A split that fits in memory: parsed once, and kept as columns."""

from __future__ import annotations

import heapq
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.examples_table import read_files
from components.tfrecord import count_records

IN_MEMORY_LIMIT_BYTES = 512 * 2**20
"""Splits smaller than this on disk are parsed once and kept in memory."""
READ_AT_ONCE = 8
"""So many files are read in turns, a record of each."""


@dataclass(frozen=True)
class Columns:
    """All examples of a split.

    Attributes:
        values: Feature → [examples, …], file after file; those of any length as ragged tensors.
        order: Place → row of `values`, int64 [examples]. The places are those of `record_order`.
    """

    values: Mapping[str, tf.Tensor | tf.RaggedTensor]
    order: tf.Tensor

    @property
    def num_rows(self) -> int:
        """The number of examples."""
        return int(self.order.shape[0])

    def take(self, places: tf.Tensor, names: Iterable[str]) -> dict[str, Any]:
        """The features `names` of the examples at `places` (int64 [batch])."""
        rows = tf.gather(self.order, places)
        return {name: tf.gather(self.values[name], rows) for name in names}


def read_columns(
    files: Sequence[str], spec: Mapping[str, Any], apply: Callable[[tf.Tensor], Mapping[str, Any]] | None = None
) -> Columns | None:
    """The examples of `files`; None where they are too many to be kept, or none, or have features that are no columns.

    Files are read and parsed on all cores, each by itself: TensorFlow's reader of several files takes three times as long as
    all of this, since it hands over one record after the other.

    Args:
        files: TFRecord files of transformed tf.Examples, or of raw ones, plain or gzip.
        spec: Parsing spec of the transformed features.
        apply: Serialized raw examples, of which the files are then, to transformed features; see `transform_graph`.

    Raises: TensorlineError if a file is damaged.
    """
    if _size_bytes(files, spec, raw=apply is not None) > IN_MEMORY_LIMIT_BYTES or not _are_columns(spec):
        return None

    def read(file: str) -> list[dict[str, Any]]:
        with tf.device("CPU"):  # where tf.data runs
            return [_whole(parse(tf.constant(records), spec, apply)) for records in read_files([Path(file)])]

    with ThreadPoolExecutor(min(len(files), os.cpu_count() or 1)) as pool:
        by_file = list(pool.map(read, files))
    first = next(iter(spec))
    counts = [sum(int(part[first].shape[0]) for part in parts) for parts in by_file]
    parts = [part for parts in by_file for part in parts]
    if not parts:
        return None
    with tf.device("CPU"):
        # One after the other, so that no more than one column is in memory twice.
        values = {name: tf.concat([part.pop(name) for part in parts], axis=0) for name in spec}
        return Columns(values, tf.constant(record_order(counts, min(len(files), READ_AT_ONCE))))


def parse(records: tf.Tensor, spec: Mapping[str, Any], apply: Callable[[tf.Tensor], Mapping[str, Any]] | None) -> Any:
    """The features of `spec`, of transformed examples or, by `apply`, of raw ones."""
    if apply is None:
        return tf.io.parse_example(records, dict(spec))
    features = apply(records)
    return {name: features[name] for name in spec}


def record_order(counts: Sequence[int], at_once: int) -> np.ndarray:
    """The order in which `tf.data.TFRecordDataset(files, num_parallel_reads=at_once)` gives the records of files.

    It goes round `at_once` places, takes a record of the file in each, and puts the next file, from the next round on, where
    one has come to its end.

    Args:
        counts: Records of each file.
        at_once: Files that are open at once.

    Returns: The numbers of the records, counted through all files, int64 [records].
    """
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    turns = np.empty(starts[-1], np.int64)  # of all, in the order in which they come
    free = [(0, place) for place in range(at_once)]  # (round, place), a heap
    for count, start, end in zip(counts, starts[:-1], starts[1:], strict=True):
        begin, place = heapq.heappop(free)
        turns[start:end] = np.arange(begin, begin + count) * at_once + place
        heapq.heappush(free, (begin + count + 1, place))
    return np.argsort(turns, kind="stable")


def _whole(features: Mapping[str, Any]) -> dict[str, Any]:
    """Sparse features as ragged ones, of which rows can be taken."""
    return {
        name: tf.RaggedTensor.from_sparse(value) if isinstance(value, tf.SparseTensor) else value
        for name, value in features.items()
    }


def _size_bytes(files: Sequence[str], spec: Mapping[str, Any], *, raw: bool) -> int:
    """Of the files, or, if that is more, of what becomes of the raw examples in them."""
    on_disk = sum(Path(file).stat().st_size for file in files)
    if not raw:
        return on_disk
    fixed = [each for each in spec.values() if isinstance(each, tf.io.FixedLenFeature)]
    row_bytes = sum(each.dtype.size * math.prod(each.shape) for each in fixed)
    return max(on_disk, row_bytes * sum(count_records(Path(file)) for file in files))


def _are_columns(spec: Mapping[str, Any]) -> bool:
    """Whether features are no more than values of a fixed or of any length."""
    return all(isinstance(kind, tf.io.FixedLenFeature | tf.io.VarLenFeature) for kind in spec.values())
