"""Ingest as TFX runs it: a component object, its executor without ML Metadata, and TFX's own reader of the result."""

import json
import os
import subprocess
import sys

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.params.models import DataParams
from tests.conftest import ROOT, copy_repository, working_in

PARAMS = DataParams.model_validate(
    {
        "path": "data/penguins/penguins.csv",
        "label": "species",
        "split": {"train": 0.6, "eval": 0.2, "test": 0.2},
        "num_shards": 3,
    }
)
SCHEMA = text_format.Parse("feature {name: 'year' type: BYTES} feature {name: 'empty' type: FLOAT}", schema_pb2.Schema())


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """The artifacts that the executor of an Ingest wrote."""
    from tfx.dsl.components.base.base_executor import BaseExecutor

    from components.ingest.component import Ingest

    folder = tmp_path_factory.mktemp("artifacts")
    component = Ingest(data=PARAMS, schema=SCHEMA)
    artifacts = {}
    for key, channel in component.outputs.items():
        artifacts[key] = channel.type()
        artifacts[key].uri = str(folder / key)
    context = BaseExecutor.Context(tmp_dir=str(folder / "tmp"), unique_id="1")
    component.executor_spec.executor_class(context).Do(
        {}, {key: [artifact] for key, artifact in artifacts.items()}, component.spec.exec_properties
    )
    return artifacts


@pytest.mark.slow
def test_spec():
    from components.ingest.component import Ingest

    component = Ingest(data=PARAMS)
    assert component.spec.exec_properties == {"data": PARAMS.model_dump_json(), "schema": ""}
    assert {key: channel.type.TYPE_NAME for key, channel in component.outputs.items()} == {
        "examples": "Examples",
        "ingest_report": "IngestReport",
    }
    assert text_format.Parse(Ingest(data=PARAMS, schema=SCHEMA).spec.exec_properties["schema"], schema_pb2.Schema()) == SCHEMA


@pytest.mark.slow
def test_artifacts(outputs):
    examples = outputs["examples"]
    assert examples.split_names == '["train", "eval", "test"]'
    assert examples.get_string_custom_property("payload_format") == "FORMAT_TF_EXAMPLE"
    assert not examples.has_custom_property("file_format")


@pytest.mark.slow
def test_statistics_gen_reads_them(outputs, tmp_path):
    import tensorflow_data_validation as tfdv
    from tfx.components.statistics_gen.component import StatisticsGen
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import channel_utils

    component = StatisticsGen(examples=channel_utils.as_channel([outputs["examples"]]))
    statistics = component.outputs["statistics"].type()
    statistics.uri = str(tmp_path / "statistics")
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=["--runner=DirectRunner", "--direct_running_mode=in_memory"],
        tmp_dir=str(tmp_path / "tmp"),
        unique_id="1",
    )
    component.executor_spec.executor_class(context).Do(
        {"examples": [outputs["examples"]]}, {"statistics": [statistics]}, component.spec.exec_properties
    )

    counts, types, missing = {}, {}, {}
    for split in ("train", "eval", "test"):
        (found,) = tfdv.load_stats_binary(str(tmp_path / "statistics" / f"Split-{split}" / "FeatureStats.pb")).datasets
        counts[split] = found.num_examples
        for feature in found.features:
            name = feature.path.step[0]
            kind = feature.WhichOneof("stats")
            types[name] = found.features[0].Type.Name(feature.type)
            common = getattr(feature, kind).common_stats
            missing[name] = missing.get(name, 0) + common.num_missing
            assert common.max_num_values == 1
    assert counts == {"train": 208, "eval": 65, "test": 71}
    assert types == {
        "bill_depth_mm": "FLOAT",
        "bill_length_mm": "FLOAT",
        "body_mass_g": "INT",
        "flipper_length_mm": "INT",
        "island": "STRING",
        "sex": "STRING",
        "species": "STRING",
        "year": "STRING",
    }
    assert missing == {
        "bill_depth_mm": 2,
        "bill_length_mm": 2,
        "body_mass_g": 2,
        "flipper_length_mm": 2,
        "island": 0,
        "sex": 11,
        "species": 0,
        "year": 0,
    }


@pytest.mark.slow
def test_the_stage_does_the_same_without_importing_tensorflow(tmp_path):
    code = """
import json, runpy, sys
sys.argv = ["components/ingest/__main__.py", "penguins"]
try:
    runpy.run_module("components.ingest", run_name="__main__", alter_sys=True)
except SystemExit as leaving:
    heavy = {"tensorflow", "tfx", "apache_beam", "keras", "keras_tuner", "tensorflow_transform", "tensorflow_model_analysis"}
    print(json.dumps([leaving.code, sorted(heavy & set(sys.modules))]))
"""
    root = copy_repository(tmp_path / "repository")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []]
    by_stage = root / "artifacts" / "penguins"

    # The same, as TFX's executor does it.
    from components.bridge import stage
    from components.bridge.artifact_folder import load_artifact
    from components.bridge.job import Job

    with working_in(root), pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "runs_without_tfx", lambda name, job: False)
        (root / "by_tfx").mkdir()
        stage.execute(Job.load("penguins", root), "ingest", {}, root / "by_tfx", {})
        assert load_artifact("examples", by_stage / "examples").split_names == '["train", "eval", "test"]'
    for key in ("examples", "ingest_report"):
        folders = (by_stage / key, root / "by_tfx" / key)
        ours, theirs = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
        assert ours == theirs
        assert ours
