"""Runs a recipe's preprocessing function as TFX's Transform does, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2


def analyse_and_transform(
    recipe: Any, schema: schema_pb2.Schema, batch: pa.RecordBatch, folder: Path
) -> tuple[list[pa.RecordBatch], Any]:
    """The transformed records, and the tft.TFTransformOutput, which is also written to folder/graph.

    Args:
        recipe: The `recipes.contract.Recipe`.
        schema: Of the columns of `batch`.
        batch: Raw columns, a list a record.
        folder: To write to.
    """
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam
    from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
    from tfx_bsl.tfxio import tensor_adapter
    from tfx_bsl.tfxio.tensor_representation_util import InferTensorRepresentationsFromMixedSchema

    config = tensor_adapter.TensorAdapterConfig(batch.schema, InferTensorRepresentationsFromMixedSchema(schema))
    with tft_beam.Context(temp_dir=str(folder / "temporary")):
        (data, _), transform_fn = ([batch], config) | tft_beam.AnalyzeAndTransformDataset(
            recipe.preprocessing_fn, output_record_batches=True
        )
        transform_fn | tft_beam.WriteTransformFn(str(folder / "graph"))
    metadata_io.write_metadata(dataset_metadata.DatasetMetadata(schema), str(folder / "graph/metadata"))
    return [part for part, _ in data], tft.TFTransformOutput(str(folder / "graph"))
