"""Parts of TFDV that need neither TensorFlow nor Beam, whose import takes longer than the statistics of a million rows.

Importing anything of the package `tensorflow_data_validation` imports both. Its C++ library (schema inference, anomalies) and
its histograms (NumPy) are files of their own, and are loaded as such; what the package wraps around them is repeated here.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

_PACKAGE = "tensorflow_data_validation"
_EXTENSION = f"{_PACKAGE}.pywrap.tensorflow_data_validation_extension"
_MAX_DOMAIN_SIZE = 100
"""TFDV's default: strings with more values are no categories."""


@cache
def histograms() -> Any:
    """TFDV's module `quantiles_util`."""
    return _load(f"{__name__}.quantiles_util", _folder() / "utils" / "quantiles_util.py")


def infer_schema(statistics: statistics_pb2.DatasetFeatureStatistics) -> schema_pb2.Schema:
    """As `tfdv.infer_schema(…, infer_feature_shape=False)`."""
    known = statistics_pb2.DatasetFeatureStatistics()
    known.CopyFrom(statistics)
    del known.features[:]
    known.features.extend(feature for feature in statistics.features if feature.WhichOneof("stats"))
    return schema_pb2.Schema.FromString(_validation().InferSchema(known.SerializeToString(), _MAX_DOMAIN_SIZE, False))


def update_schema(schema: schema_pb2.Schema, statistics: statistics_pb2.DatasetFeatureStatistics) -> schema_pb2.Schema:
    """As `tfdv.update_schema`."""
    updated = _validation().UpdateSchema(schema.SerializeToString(), statistics.SerializeToString(), _MAX_DOMAIN_SIZE)
    return schema_pb2.Schema.FromString(updated)


def validate_statistics(
    statistics: statistics_pb2.DatasetFeatureStatistics, schema: schema_pb2.Schema
) -> anomalies_pb2.Anomalies:
    """As `tfdv.validate_statistics`."""
    found = _validation().ValidateFeatureStatistics(
        statistics.SerializeToString(),
        schema.SerializeToString(),
        b"",  # environment
        b"",  # statistics of the span before,
        b"",  # of what is served,
        b"",  # of the version before
        b"",  # features needed
        b"",  # the validation's configuration: the default
        False,  # regions of difference
    )
    return anomalies_pb2.Anomalies.FromString(found)


@cache
def _validation() -> Any:
    # Under its own name, so that the package, imported before or after, shares it: initialised twice it crashes at the exit.
    if _EXTENSION not in sys.modules:
        (file,) = (_folder() / "pywrap").glob(f"{_EXTENSION.rpartition('.')[2]}*.so")
        sys.modules[_EXTENSION] = _load(_EXTENSION, file)
    return sys.modules[_EXTENSION].validation


def _folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)  # of a package this imports nothing
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"No module named '{_PACKAGE}'", name=_PACKAGE)
    return Path(spec.submodule_search_locations[0])


def _load(name: str, file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None  # noqa: S101  for the type checker
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
