"""Analyses the training split with TensorFlow Transform on Beam, from columns.

It does what TFX's executor does for it, without TFX, whose import takes as long as a small analysis, and which traces the
preprocessing function two or three times more and reads one record at a time.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform import impl_helper
from tensorflow_transform.beam.analysis_graph_builder import get_analysis_dataset_keys
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io

from components.bridge.columnar_tfxio import ColumnarExamples
from components.bridge.record_batches import num_records_read
from components.errors import AccountingError
from components.tfrecord import count_records
from components.transform.analyzer_cache import AnalyzerCache, by_span
from components.transform.tracing import spared

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

_TEMPORARY = ".temp_path"
"""As TFX calls it. It lies within the artifact: paths stand in the graph, which is to be the same in every clone."""


def analyse(
    files: Sequence[Path],
    schema: schema_pb2.Schema,
    preprocessing_fn: Callable[..., dict[str, Any]],
    folder: Path,
    make_pipeline: Callable[[], Any],
    kept: Path | None = None,
) -> None:
    """Writes the transform graph, which `tft.TFTransformOutput` reads.

    A preprocessing function without analyzers needs no pass over the data, nor Beam. Data in spans are analysed span by span,
    and then together; so the graph is the same whether some of them were analysed before or not.

    Args:
        files: TFRecord files of the examples to analyse.
        schema: Types of their features.
        preprocessing_fn: Raw features → transformed ones.
        folder: Of the artifact; relative to the working directory, if the graph is to be the same elsewhere.
        make_pipeline: Makes an empty Beam pipeline.
        kept: Folder of what was analysed of spans, and is kept for the next analysis; None keeps nothing.

    Raises: AccountingError if not all records were analysed; whatever the preprocessing function raises.
    """
    temporary = folder / _TEMPORARY
    cache = AnalyzerCache(by_span(files), kept)
    # With data in spans TFT asks for the traces in another order, and saves one that must then be new.
    with nullcontext() if cache.spans else spared(temporary / "traced"):
        _analyse(files, schema, preprocessing_fn, folder, make_pipeline, cache)
    shutil.rmtree(temporary, ignore_errors=True)  # there is none where nothing needed files


def _analyse(
    files: Sequence[Path],
    schema: schema_pb2.Schema,
    preprocessing_fn: Callable[..., dict[str, Any]],
    folder: Path,
    make_pipeline: Callable[[], Any],
    cache: AnalyzerCache,
) -> None:
    tfxio = ColumnarExamples([str(file) for file in files], schema)
    specs = tfxio.TensorAdapter().OriginalTypeSpecs()
    metadata = dataset_metadata.DatasetMetadata(schema)
    metadata_io.write_metadata(metadata, str(folder / tft.TFTransformOutput.RAW_METADATA_DIR))
    columns = tft.get_analyze_input_columns(preprocessing_fn, specs)
    if not columns:
        impl_helper.analyze_in_place(preprocessing_fn, False, {}, specs, str(folder))
        return
    projected = tfxio.Project(columns)
    pipeline = make_pipeline()
    config = projected.TensorAdapterConfig()
    num_records = 0

    def read(label: str, source: Sequence[Path]) -> Any:
        nonlocal num_records
        num_records += sum(map(count_records, source))
        return pipeline | label >> ColumnarExamples([str(file) for file in source], schema).Project(columns).BeamSource()

    with tft_beam.Context(temp_dir=str(folder / _TEMPORARY), use_deep_copy_optimization=True):
        if cache.spans:
            datasets = cache.datasets
            known = cache.read(pipeline, datasets)
            # All, where a function is there whose accumulators can't be kept.
            needed = get_analysis_dataset_keys(preprocessing_fn, specs, set(datasets), known, False)
            data = {key: read(f"Read[{key.key}]", source) if key in needed else None for key, source in datasets.items()}
            analyzed, found = (data, known, config) | tft_beam.AnalyzeDatasetWithCache(preprocessing_fn, pipeline=pipeline)
            cache.write(found)
        else:
            analyzed = (read("Read", files), config) | tft_beam.AnalyzeDataset(preprocessing_fn, pipeline=pipeline)
        _ = analyzed | tft_beam.WriteTransformFn(str(folder))
        result = pipeline.run()
        result.wait_until_finish()
    num_analysed = num_records_read(result)
    if num_records != num_analysed:
        raise AccountingError(
            f"transform: {num_records:,} records to analyse, {num_analysed:,} analysed. Expected as many. "
            "With a multi-process Beam runner, try beam.options.direct_running_mode: in_memory; else report it."
        )
    cache.keep()
