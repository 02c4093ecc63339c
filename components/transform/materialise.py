"""Applies the transform graph to the examples of a split and writes what comes out, in this process, without Beam.

TensorFlow reads, parses and transforms batches in threads of its own; what comes out stays in columns until its bytes are
written. File by file, so that a record keeps its file and its place in it: whoever reads raw and transformed examples in the
same way meets the same records in the same order.
"""

from __future__ import annotations

import itertools
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import impl_helper

from components.errors import AccountingError, TensorlineError
from components.tf_example import encode
from components.tfrecord import count_records
from components.tfrecord_writer import append, frame
from components.transform_graph import RAW_SUFFIX, graph_function

if TYPE_CHECKING:
    from tfx_bsl.tfxio.tensor_to_arrow import TensorsToRecordBatchConverter

MAX_ROWS = 8192
MAX_BATCH_BYTES = 32 * 2**20
"""Of a batch, raw as well as transformed, as far as that can be told ahead."""
_BYTES_BY_TYPE = {tf.string: 64}  # a guess; of the others TensorFlow knows it


def materialise(transform_graph: Path, examples: Path, transformed: Path, splits: Iterable[str]) -> dict[str, int]:
    """Writes the transformed examples, a plain TFRecord file for each of the raw ones.

    Args:
        transform_graph: Folder of the artifact that `tft.TFTransformOutput` reads.
        examples: Folder of the Examples artifact.
        transformed: Folder of the Examples artifact to write to.
        splits: Which.

    Returns: Split → number of records.
    Raises: AccountingError if there are not as many records as before; TensorlineError if a file is damaged.
    """
    output = tft.TFTransformOutput(str(transform_graph))
    spec = output.transformed_feature_spec()
    files = [
        _File(source, transformed / f"Split-{split}" / source.name.removesuffix(".gz"), split, count_records(source))
        for split in splits
        for source in sorted((examples / f"Split-{split}").iterdir())
    ]
    counts = dict.fromkeys(splits, 0)
    for folder in {file.target.parent for file in files}:
        folder.mkdir(parents=True)
    batches = iter(_batches(files, spec, graph_function(output)))
    converter = impl_helper.make_tensor_to_arrow_converter(output.transformed_metadata.schema)
    for file in files:
        counts[file.split] += _write(file, batches, spec, converter)
    return counts


def link_raw(examples: Path, transformed: Path, splits: Iterable[str]) -> None:
    """Puts the raw examples in the place of transformed ones, under names that say so; as hard links where that is possible.

    Args:
        examples: Folder of the Examples artifact.
        transformed: Folder of the Examples artifact to write to.
        splits: Which.
    """
    for split in splits:
        target = transformed / f"Split-{split}"
        target.mkdir(parents=True)
        for file in sorted((examples / f"Split-{split}").iterdir()):
            link = target / f"{file.name.removesuffix('.tfrecord')}{RAW_SUFFIX}"
            try:
                os.link(file, link)
            except OSError:
                shutil.copyfile(file, link)


@dataclass(frozen=True)
class _File:
    """One to transform.

    Attributes:
        source: Of raw examples.
        target: Of transformed ones, to be written.
        split: Whose they are.
        num_records: In the source.
    """

    source: Path
    target: Path
    split: str
    num_records: int

    def rows_at_once(self, spec: Mapping[str, Any]) -> int:
        """How many records make a batch."""
        return _rows_at_once(self.source.stat().st_size / max(self.num_records, 1), spec)


def _batches(files: Sequence[_File], spec: Mapping[str, Any], apply: Any) -> tf.data.Dataset:
    """The transformed features of all files, in their order; a batch is of one file.

    One dataset for all: to make one, and to start it, takes as long as to transform some ten thousand narrow records.
    """

    def raw(path: tf.Tensor, compression: tf.Tensor, rows: tf.Tensor) -> tf.data.Dataset:
        return tf.data.TFRecordDataset(path, compression).batch(rows)

    each = (
        [str(file.source) for file in files],
        ["GZIP" if file.source.suffix == ".gz" else "" for file in files],
        tf.constant([file.rows_at_once(spec) for file in files], tf.int64),
    )
    # Two batches at once: more would wait for what follows, and take memory.
    return tf.data.Dataset.from_tensor_slices(each).flat_map(raw).map(apply, num_parallel_calls=2).prefetch(1)


def _write(file: _File, batches: Iterator[Any], spec: Mapping[str, Any], converter: TensorsToRecordBatchConverter) -> int:
    """Writes the file's batches, which come next; returns the number of its records. Raises: As `materialise`."""
    num_batches, num_out = math.ceil(file.num_records / file.rows_at_once(spec)), 0
    with file.target.open("wb") as target:
        try:
            for features in itertools.islice(batches, num_batches):
                columns = _columns(features, converter)
                num_rows = len(next(iter(columns.values())))
                append(target, frame(encode(columns, num_rows)))
                num_out += num_rows
        except tf.errors.DataLossError as error:
            raise TensorlineError(f"{file.source}: is damaged: rebuild the file. {error.message}") from error
    if num_out != file.num_records:
        raise AccountingError(
            f"transform: {file.source}: {file.num_records:,} records in, {num_out:,} out. Expected as many out as in: a "
            "preprocessing function neither drops nor adds examples."
        )
    return num_out


def _rows_at_once(raw_bytes: float, spec: Mapping[str, Any]) -> int:
    """How many records make a batch, by the bytes of one before and after."""
    transformed_bytes = sum(
        math.prod(each.shape) * _BYTES_BY_TYPE.get(each.dtype, each.dtype.size)
        for each in spec.values()
        if isinstance(each, tf.io.FixedLenFeature)
    )
    return max(1, min(MAX_ROWS, int(MAX_BATCH_BYTES / max(raw_bytes, transformed_bytes, 1))))


def _columns(features: Mapping[str, Any], converter: TensorsToRecordBatchConverter) -> dict[str, pa.Array]:
    """Transformed features as `tf_example.encode` takes them; [records] where there is one value each, else lists."""
    columns: dict[str, pa.Array] = {}
    batch = converter.convert(dict(features))
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        values = features.get(name)
        single = isinstance(values, tf.Tensor) and values.shape.rank == 2 and values.shape[1] == 1
        columns[name] = _single(column) if single else column
    return columns


def _single(column: pa.Array) -> pa.Array:
    """Lists of one value each as values, which are encoded sooner."""
    values = column.flatten()
    return values.cast(pa.binary()) if pa.types.is_large_binary(values.type) else values
