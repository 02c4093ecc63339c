"""Applies the transform graph to the examples of a split and writes what comes out, in this process, without Beam.

TensorFlow reads, parses and transforms batches in threads of its own; what comes out stays in columns until its bytes are
written. File by file, so that a record keeps its file and its place in it: whoever reads raw and transformed examples in the
same way meets the same records in the same order.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Mapping
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
    writer = _Writer(
        graph_function(output),
        impl_helper.make_tensor_to_arrow_converter(output.transformed_metadata.schema),
        output.transformed_feature_spec(),
    )
    counts = {}
    for split in splits:
        target = transformed / f"Split-{split}"
        target.mkdir(parents=True)
        counts[split] = sum(
            writer.write(file, target / file.name.removesuffix(".gz"))
            for file in sorted((examples / f"Split-{split}").iterdir())
        )
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
class _Writer:
    """Writes files.

    Attributes:
        apply: As `transform_graph.graph_function` makes it.
        converter: Transformed features → columns.
        spec: Parsing spec of the transformed features.
    """

    apply: Any
    converter: TensorsToRecordBatchConverter
    spec: Mapping[str, Any]

    def write(self, source: Path, target: Path) -> int:
        """Writes one file; returns the number of its records. Raises: As `materialise`."""
        num_in, num_out = count_records(source), 0
        rows = _rows_at_once(source.stat().st_size / max(num_in, 1), self.spec)
        raw = tf.data.TFRecordDataset(str(source), "GZIP" if source.suffix == ".gz" else "").batch(rows)
        with target.open("wb") as file:
            try:
                # Two batches at once: more would wait for what follows, and take memory.
                for features in raw.map(self.apply, num_parallel_calls=2).prefetch(1):
                    columns = _columns(features, self.converter)
                    num_rows = len(next(iter(columns.values())))
                    append(file, frame(encode(columns, num_rows)))
                    num_out += num_rows
            except tf.errors.DataLossError as error:
                raise TensorlineError(f"{source}: is damaged: rebuild the file. {error.message}") from error
        if num_out != num_in:
            raise AccountingError(
                f"transform: {source}: {num_in:,} records in, {num_out:,} out. Expected as many out as in: a preprocessing "
                "function neither drops nor adds examples."
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
