"""The components compiled for Kubeflow: the steps, and what they do when they are run as Kubeflow runs them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.bridge import kubeflow
from components.bridge.graph import STAGES
from components.bridge.job import Job
from components.bridge.kubeflow import compile_pipeline
from components.errors import UserError
from tests.conftest import copy_repository, working_in

HAS_KFP = importlib.util.find_spec("kfp") is not None
needs_kfp = pytest.mark.skipif(not HAS_KFP, reason="kfp is not installed: pip install 'tensorline[kubeflow]'")
TO_EVALUATE = tuple(STAGES)[:-1]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_repository(tmp_path_factory.mktemp("kubeflow"))


def load(root: Path, **changes: Any) -> Job:
    with working_in(root):
        job = Job.load("penguins", Path())
    sections = {
        section: getattr(job.params, section).model_copy(update=values) for section, values in changes.items() if values
    }
    return Job(job.name, job.root, job.params.model_copy(update=sections), job.shared)


@pytest.mark.skipif(HAS_KFP, reason="kfp is installed")
def test_without_kfp_it_says_how_to_install_it(root: Path) -> None:
    with pytest.raises(UserError) as caught:
        compile_pipeline(load(root), TO_EVALUATE, "image", "gs://b/x", Path("out.yaml"))
    assert str(caught.value) == (
        "tfx --runner kubeflow: the package kfp is not installed. Expected it beside TFX (Python 3.10 or 3.11): "
        "pip install 'tensorline[kubeflow]'; in a clone: .venv/setup/bin/uv pip install --python .venv "
        "--no-build-isolation --editable '.[kubeflow]'"
    )


@pytest.mark.parametrize(
    ("stages", "to", "output", "changes", "message"),
    [
        (
            tuple(STAGES),
            "gs://b/x",
            "out.yaml",
            {},
            "tfx --runner kubeflow: --until register: a step has not the MLflow store of this machine, so its model would be "
            "registered nowhere. Expected --until evaluate at most.",
        ),
        (
            TO_EVALUATE,
            "artifacts/tfx",
            "out.yaml",
            {},
            "tfx --runner kubeflow: --to: got artifacts/tfx. Expected where all steps can put artifacts: gs://BUCKET/FOLDER, "
            "or the absolute path of a folder that all of them have mounted.",
        ),
        (TO_EVALUATE, "gs://b", "out.txt", {}, None),
        (
            TO_EVALUATE,
            "gs://b/x",
            "out.yaml",
            {"data": {"path": "gs://b/penguins.csv"}},
            "data.path: gs://b/penguins.csv: steps read files. Expected a bucket as Vertex AI mounts it, /gcs/BUCKET/…, or a "
            "path in the repository, which the image holds.",
        ),
        (
            TO_EVALUATE,
            "gs://b/x",
            "out.yaml",
            {"train": {"strategy": "multi_worker"}},
            "train.strategy: multi_worker: a step of Kubeflow is one process, and would wait for the others for ever. "
            "Expected another strategy.",
        ),
    ],
)
def test_what_could_not_work_elsewhere_is_refused(
    root: Path, stages: tuple[str, ...], to: str, output: str, changes: dict[str, Any], message: str | None
) -> None:
    expected = message or "tfx --runner kubeflow: --output out.txt: expected a name that ends in .yaml, .yml, .json."
    with pytest.raises(UserError) as caught:
        kubeflow._check(load(root, **changes), stages, to, Path(output))
    assert str(caught.value) == expected


@pytest.fixture(scope="module")
def spec(root: Path) -> dict[str, Any]:
    with working_in(root):
        output = Path("penguins.yaml")
        assert compile_pipeline(load(root), TO_EVALUATE, "registry.example/tensorline:1", "gs://b/x", output) == 10
        return yaml.safe_load(output.read_text())


@needs_kfp
@pytest.mark.slow
def test_each_component_is_a_step_with_the_beam_options(spec: dict[str, Any]) -> None:
    beam = [
        "--runner=apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner",
        "--direct_running_mode=in_memory",
        "--direct_num_workers=1",
        "--tfxio_use_byte_size_batching",
    ]
    containers = {name: value["container"] for name, value in spec["deploymentSpec"]["executors"].items()}
    assert containers["Transform_executor"] == {
        "image": "registry.example/tensorline:1",
        "command": [".venv/bin/python", "-m", "components.bridge.kubeflow_step"],
        "args": [
            "--executor_class_path",
            "components.transform.component.TransformExecutor",
            "--json_serialized_invocation_args",
            "{{$}}",
            *beam,
        ],
    }
    assert all(container["args"][-4:] == beam for container in containers.values())
    tasks = spec["root"]["dag"]["tasks"]
    assert {name: sorted(task.get("dependentTasks", [])) for name, task in tasks.items()} == {
        "Ingest": [],
        "ImportSchemaGen": [],
        "StatisticsGen": ["ImportSchemaGen", "Ingest"],
        "ExampleValidator": ["ImportSchemaGen", "Ingest", "StatisticsGen"],
        "DataDrift": ["ImportSchemaGen", "Ingest"],
        "Transform": ["ImportSchemaGen", "Ingest"],
        "Tuner": ["ImportSchemaGen", "Transform"],
        "Trainer": ["ImportSchemaGen", "Transform", "Tuner"],
        "Evaluator": ["ImportSchemaGen", "Ingest", "Trainer"],
        "ModelReport": ["Evaluator", "ExampleValidator", "ImportSchemaGen", "Ingest", "Trainer"],
    }


class Cloud:
    """Runs steps as Vertex AI does: what `{{$}}` stands for, and buckets that are mounted as folders."""

    def __init__(self, spec: dict[str, Any], mount: Path) -> None:
        self.spec, self.mount = spec, mount
        self.made: dict[tuple[str, str], dict[str, Any]] = {}

    def run(self, name: str) -> None:
        from components.bridge.kubeflow_step import run_step

        component, inputs = self.spec["components"][name], self.spec["root"]["dag"]["tasks"][name].get("inputs", {})
        artifacts = {
            key: {
                "artifacts": [
                    self.made[given["taskOutputArtifact"]["producerTask"], given["taskOutputArtifact"]["outputArtifactKey"]]
                ]
            }
            for key, given in inputs.get("artifacts", {}).items()
        }
        parameters = {key: given["runtimeValue"]["constantValue"] for key, given in inputs.get("parameters", {}).items()}
        outputs = {
            key: {"artifacts": [{"name": f"{name}-{key}", "uri": f"gs://b/x/{name}/{key}", "type": value["artifactType"]}]}
            for key, value in component["outputDefinitions"]["artifacts"].items()
        }
        file = f"gs://b/x/{name}/executor_output.json"
        told = {
            "inputs": {"artifacts": artifacts, "parameters": parameters},
            "outputs": {"artifacts": outputs, "outputFile": file},
        }
        args = self.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["args"]
        run_step([json.dumps(told) if arg == "{{$}}" else arg for arg in args], self.mount)
        answered = json.loads((self.mount / file.removeprefix("gs://")).read_text())["artifacts"]
        for key, given in outputs.items():
            self.made[name, key] = {**given["artifacts"][0], **answered[key]["artifacts"][0]}


@needs_kfp
@pytest.mark.slow
def test_steps_run_on_a_mounted_bucket(root: Path, spec: dict[str, Any], penguins: Path, tmp_path: Path) -> None:
    import tensorflow_data_validation as tfdv

    (tmp_path / "b").mkdir()
    cloud = Cloud(spec, tmp_path)
    with working_in(root):
        for name in ("Ingest", "ImportSchemaGen", "StatisticsGen", "DataDrift"):
            cloud.run(name)
    assert cloud.made["Ingest", "ingest_report"]["uri"] == "gs://b/x/Ingest/ingest_report"
    folder = penguins / "artifacts" / "penguins"
    for split in ("train", "eval", "test"):
        statistics = tmp_path / "b" / "x" / "StatisticsGen" / "statistics" / f"Split-{split}" / "FeatureStats.pb"
        expected = folder / "statistics" / f"Split-{split}" / "FeatureStats.pb"
        assert tfdv.load_stats_binary(str(statistics)) == tfdv.load_stats_binary(str(expected))
    made = tmp_path / "b" / "x" / "DataDrift" / "profile" / "profile.json"
    assert made.read_text() == (folder / "profile" / "profile.json").read_text()


@needs_kfp
def test_a_bucket_that_is_not_mounted_is_named(tmp_path: Path) -> None:
    from components.bridge.kubeflow_step import run_step

    with pytest.raises(UserError) as caught:
        run_step(["--json_serialized_invocation_args", '{"uri": "gs://b/x"}'], tmp_path)
    assert str(caught.value) == (
        f"gs://b: no folder {tmp_path / 'b'}. Expected the bucket to be mounted there, as Vertex AI does; elsewhere mount it "
        "(gcsfuse), and name the folder above it in TENSORLINE_BUCKETS."
    )
