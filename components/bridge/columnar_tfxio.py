"""Makes TFX's executors read through `record_batches`: a TFXIO that differs from the stock one in its Beam source alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import tf_example_record

from components.bridge.record_batches import MAX_ROWS, ReadRecordBatches, files_of


class ColumnarExamples(tf_example_record.TFExampleRecord):
    """tf.Examples of TFRecord files on a file system that all workers see.

    Args:
        file_pattern: One glob pattern, or several.
        schema: Limits and types the columns, and tells their tensors.
        telemetry_descriptors: See TFExampleRecord.
    """

    def __init__(
        self,
        file_pattern: str | Sequence[str],
        schema: schema_pb2.Schema | None = None,
        telemetry_descriptors: Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            file_pattern=file_pattern if isinstance(file_pattern, str) else list(file_pattern),
            schema=schema,
            telemetry_descriptors=telemetry_descriptors,
        )

    def BeamSource(self, batch_size: int | None = None) -> ReadRecordBatches:  # noqa: N802
        """Pipeline → RecordBatches; of `batch_size` records, if that is given."""
        schema = None if self._schema is None else self._schema.SerializeToString()
        return ReadRecordBatches(files_of(self._file_pattern), schema, batch_size or MAX_ROWS)

    def _ProjectImpl(self, tensor_names: list[str]) -> Any:  # noqa: N802
        stock = super()._ProjectImpl(tensor_names)
        return ColumnarExamples(self._file_pattern, stock._schema, self.telemetry_descriptors)  # noqa: SLF001
