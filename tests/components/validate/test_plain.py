"""The stage by columns does what its TFX components do by Beam, in memory and in several processes, without their imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.errors import AccountingError
from tests.conftest import ROOT, copy_repository, working_in

pytestmark = pytest.mark.slow

CODE = """
import json, runpy, sys
sys.argv = ["components/validate/__main__.py", "penguins"]
try:
    runpy.run_module("components.validate", run_name="__main__", alter_sys=True)
except SystemExit as leaving:
    heavy = {"tensorflow", "tfx", "apache_beam", "keras", "keras_tuner", "tensorflow_transform", "tensorflow_model_analysis"}
    heavy |= {"tensorflow_data_validation", "sklearn", "matplotlib.pyplot"}
    print(json.dumps([leaving.code, sorted(heavy & set(sys.modules))]))
"""
MODES = ({"direct_running_mode": "in_memory"}, {"direct_running_mode": "multi_processing", "direct_num_workers": 2})


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory, run_stages: Callable[..., None]) -> Path:
    """A repository whose penguins were validated by the stage's process, which imported nothing heavy."""
    root = copy_repository(tmp_path_factory.mktemp("plain"))
    run_stages(root, "penguins", ("ingest",))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TENSORLINE_WARM": "0"}
    done = subprocess.run([sys.executable, "-c", CODE], cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []]
    return root


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("options", MODES, ids=lambda options: options["direct_running_mode"])
def test_the_components_do_the_same(validated: Path, options: dict[str, str | int], tmp_path: Path) -> None:
    from components.bridge import stage
    from components.bridge.job import Job
    from components.params.models import BeamParams

    ours = validated / "artifacts" / "penguins"
    with working_in(validated), pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "runs_without_tfx", lambda stage, job: False)
        loaded = Job.load("penguins", validated)
        job = Job("penguins", validated, loaded.params, loaded.shared.model_copy(update={"beam": BeamParams(options=options)}))
        properties = {"baseline_version": "", "baseline_reason": "there is no champion yet"}
        made = stage.execute(job, "validate", {"examples": ours / "examples"}, tmp_path, properties)
        stage._account("validate", {"examples": ours / "examples"}, made)
    for key in ("schema", "profile", "drift"):
        assert _files(made[key]) == _files(ours / key), key
    theirs, mine = _files(made["anomalies"]), _files(ours / "anomalies")
    assert theirs.keys() == mine.keys()
    assert theirs["anomalies.json"] == mine["anomalies.json"]
    assert (made["statistics"] / "artifact.json").read_bytes() == (ours / "statistics" / "artifact.json").read_bytes()
    for split in ("train", "eval", "test"):
        name = f"Split-{split}/FeatureStats.pb"
        by_beam, by_columns = (
            statistics_pb2.DatasetFeatureStatisticsList.FromString((folder / name).read_bytes()).datasets[0]
            for folder in (made["statistics"], ours / "statistics")
        )
        assert by_beam.num_examples == by_columns.num_examples
        for expected, found in zip(
            sorted(by_beam.features, key=lambda each: each.path.step[0]), by_columns.features, strict=True
        ):
            # The last digits of sums depend on the batches.
            for each in (expected, found):
                if each.HasField("num_stats"):
                    each.num_stats.mean, each.num_stats.std_dev = (
                        float(f"{number:.10g}") for number in (each.num_stats.mean, each.num_stats.std_dev)
                    )
            assert found == expected


def test_a_lost_record_stops_the_stage(validated: Path, tmp_path: Path) -> None:
    from components.bridge.accounting import check_statistics

    examples = validated / "artifacts" / "penguins" / "examples"
    path = validated / "artifacts" / "penguins" / "statistics" / "Split-train" / "FeatureStats.pb"
    lost = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
    num_examples = lost.datasets[0].num_examples
    lost.datasets[0].num_examples -= 1
    (tmp_path / "Split-train").mkdir()
    (tmp_path / "Split-train" / "FeatureStats.pb").write_bytes(lost.SerializeToString())
    with pytest.raises(AccountingError) as raised:
        check_statistics(examples, tmp_path)
    assert str(raised.value) == (
        f"validate: split train: {num_examples} records in, {num_examples - 1} out. Expected as many out as in. "
        "With a multi-process Beam runner, try beam.options.direct_running_mode: in_memory; else report it."
    )


def test_the_library_of_tfdv_is_shared_with_its_package_in_either_order() -> None:
    code = """
import sys
def ours():
    from components.validate import tfdv_parts
    from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2
    tfdv_parts.validate_statistics(statistics_pb2.DatasetFeatureStatistics(num_examples=1), schema_pb2.Schema())
def theirs():
    import tensorflow_data_validation
for name in sys.argv[1:]:
    globals()[name]()
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for order in (("ours", "theirs"), ("theirs", "ours")):
        done = subprocess.run([sys.executable, "-c", code, *order], env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
