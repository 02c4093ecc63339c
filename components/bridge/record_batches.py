"""Reads TFRecord files of tf.Examples into Arrow columns within a Beam pipeline, a batch at a time.

What TFX reads by, tfx_bsl's TFExampleRecord, hands one record after the other through Beam, and batches them again: 20 µs a
record, in Python. Here one element is one file, and what comes out of it are whole batches; a file is read by one worker, so
several files (shards) are read in parallel. `columnar_tfxio` makes TFX take it.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa

from components.examples_table import read_files

MAX_ROWS = 8192
"""As many as tfx_bsl takes with `beam.BATCHES_BY_SIZE`."""
MAX_ROWS_BYTES = 20 * 2**20
"""Likewise; serialized. A batch ends before it would hold more, unless a single record does."""
METRICS_NAMESPACE = "tensorline"
NUM_RECORDS = "num_records_read"
"""Beam counter of the records that were read, by which a stage proves that it lost none."""


def files_of(patterns: str | Sequence[str]) -> list[str]:
    """The files that a pattern, or any of several, names; sorted, each once."""
    several = [patterns] if isinstance(patterns, str) else patterns
    return sorted({path for pattern in several for path in glob.glob(pattern)})  # noqa: PTH207  absolute patterns too


class ReadRecordBatches(beam.PTransform):
    """Pipeline → pyarrow RecordBatches of the records of `files`, in the order of the files and of the records in them.

    A batch is of one file, so the same files give the same batches, whatever the runner; where it has one worker, in the same
    order as well. The records are counted as METRICS_NAMESPACE / NUM_RECORDS.

    Args:
        files: TFRecord files (gzip where called .gz) of serialized tf.Examples, which every worker can open.
        serialized_schema: Of the tensorflow-metadata Schema that limits and types the columns; None takes them as they come.
        max_rows: A batch holds no more records.
        max_bytes: Nor more bytes, serialized, unless a single record does.

    Returns: As `examples_table.decode` makes them: a large list per record, null where the feature is missing.
    """

    def __init__(
        self,
        files: Sequence[str],
        serialized_schema: bytes | None = None,
        max_rows: int = MAX_ROWS,
        max_bytes: int = MAX_ROWS_BYTES,
    ) -> None:
        super().__init__()
        self._files = list(files)
        self._read = _ReadFile(serialized_schema, max_rows, max_bytes)

    def expand(self, pipeline: Any) -> Any:
        """See the class."""
        return (
            pipeline
            # Beam's own reshuffle goes by random keys: the order would be another in each run.
            | "Files" >> beam.Create(list(enumerate(self._files)), reshuffle=False)
            | "Spread" >> beam.GroupByKey()
            | "Read" >> beam.ParDo(self._read).with_output_types(pa.RecordBatch)
        )


class _ReadFile(beam.DoFn):
    def __init__(self, serialized_schema: bytes | None, max_rows: int, max_bytes: int) -> None:
        self._serialized_schema = serialized_schema
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._num_records = beam.metrics.Metrics.counter(METRICS_NAMESPACE, NUM_RECORDS)

    def setup(self) -> None:
        """Makes the decoder, which can't be sent to a worker."""
        from tfx_bsl.cc.tfx_bsl_extension.coders import ExamplesToRecordBatchDecoder

        self._decoder = ExamplesToRecordBatchDecoder(self._serialized_schema)

    def process(self, element: tuple[int, Iterable[str]]) -> Iterator[pa.RecordBatch]:
        """(number, [file]) → its batches."""
        for path in element[1]:
            for records in read_files([Path(path)], self._max_rows, self._max_bytes):
                self._num_records.inc(len(records))
                yield self._decoder.DecodeBatch(records)


def num_records_read(result: Any) -> int:
    """The records that all `ReadRecordBatches` of a finished pipeline read.

    Args:
        result: What Beam's `Pipeline.run` returned.
    """
    wanted = beam.metrics.MetricsFilter().with_namespace(METRICS_NAMESPACE).with_name(NUM_RECORDS)
    return sum(counter.result for counter in result.metrics().query(wanted)["counters"])
