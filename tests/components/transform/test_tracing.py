"""A preprocessing function is traced no more often than it needs to be, and the same graph comes out."""

from __future__ import annotations

import apache_beam as beam
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import impl_helper, schema_inference

from components.examples_table import read_serialized
from components.transform import tracing
from components.transform.analysis import analyse
from components.transform_graph import graph_function

SCHEMA = text_format.Parse(
    """
    feature { name: "island" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
    feature { name: "body_mass_g" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 1 } } }
    """,
    schema_pb2.Schema(),
)


def analysed(examples, folder) -> tuple[int, dict[str, list[object]], str]:
    """(traces while the pipeline is built, what the graph makes of the eval split, the metadata it has)."""
    traces = [0]

    def preprocess(inputs):
        traces[0] += 1
        return {
            "island": tft.compute_and_apply_vocabulary(inputs["island"]),
            "mass": tft.scale_to_z_score(inputs["body_mass_g"]),
        }

    analyse(sorted((examples / "Split-train").iterdir()), SCHEMA, preprocess, folder, beam.Pipeline)
    assert sorted(path.name for path in folder.iterdir()) == ["metadata", "transform_fn", "transformed_metadata"]
    (batch,) = read_serialized(examples, "eval")
    features = graph_function(tft.TFTransformOutput(str(folder)))(tf.constant(batch))
    return traces[0], {name: value.numpy().tolist() for name, value in features.items()}, read_metadata(folder)


def read_metadata(folder) -> str:
    return next((folder / "transformed_metadata").rglob("*.pbtxt")).read_text(encoding="utf-8")


def test_two_traces_are_spared_and_nothing_else_changes(penguins, tmp_path, monkeypatch):
    examples = penguins / "artifacts" / "penguins" / "examples"
    traces, *found = analysed(examples, tmp_path / "spared")
    monkeypatch.setattr(tracing, "KNOWN_VERSION", "0.")
    stock_traces, *expected = analysed(examples, tmp_path / "stock")
    assert found == expected
    assert len(set(map(tuple, found[0]["island"]))) > 1
    # What Beam runs later traces copies of the function.
    assert (traces, stock_traces) == (1, 3), "TFT traces less itself: components/transform/tracing.py may go"


def test_outside_of_an_analysis_tft_is_as_it_was(tmp_path):
    before = impl_helper.trace_preprocessing_function, schema_inference.get_traced_metadata_fn

    def fail():
        with tracing.spared(tmp_path):
            assert impl_helper.trace_preprocessing_function is not before[0]
            assert schema_inference.get_traced_metadata_fn is not before[1]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (impl_helper.trace_preprocessing_function, schema_inference.get_traced_metadata_fn) == before
