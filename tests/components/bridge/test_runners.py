"""On other runners the components get the options of params.yaml, and make what they make in memory."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from components.bridge import accounting
from components.bridge.stage import ON_BEAM
from components.evaluate.slices import MISSING
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

RunStages = Callable[..., None]
MADE = {
    "validate": ("statistics", "schema", "anomalies", "profile", "drift"),
    "transform": ("transform_graph", "transformed_examples"),
    "evaluate": ("evaluation", "blessing", "canary", "report"),
}


@contextmanager
def job_server() -> Iterator[str]:
    """Beam's own job server, in this process; its address."""
    from apache_beam.runners.portability.local_job_service import LocalJobServicer

    from components.bridge.loopback import bind_to_loopback

    bind_to_loopback()
    server = LocalJobServicer()
    port = server.start_grpc_server()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop()


def without(penguins: Path, to: Path, stages: tuple[str, ...], beam: dict[str, Any]) -> Path:
    """A copy in which `stages` have not run, with another section `beam`; its root."""
    made = [key for stage in stages for key in MADE[stage]]
    shutil.copytree(penguins, to, ignore=shutil.ignore_patterns("data", *made))
    params = to / "params.yaml"
    shared, num_changed = re.subn(r"(?m)^beam:\n(  .*\n)+", f"beam: {json.dumps(beam)}\n", params.read_text(encoding="utf-8"))
    assert num_changed == 1
    params.write_text(shared, encoding="utf-8")
    return to


@pytest.fixture
def pipelines(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Runner and options of every pipeline that runs."""
    import apache_beam

    found = []
    run = apache_beam.Pipeline.run

    def noting(pipeline: Any, *args: Any, **kwargs: Any) -> Any:
        found.append((type(pipeline.runner).__name__, pipeline.options.get_all_options(drop_default=True)))
        return run(pipeline, *args, **kwargs)

    monkeypatch.setattr(apache_beam.Pipeline, "run", noting)
    return found


def statistics(root: Path) -> dict[str, Any]:
    """By split, the features in the order of their names: workers that finish in another order give another."""
    import tensorflow_data_validation as tfdv

    found = {}
    for file in sorted((root / "artifacts" / "penguins" / "statistics").glob("Split-*/FeatureStats.pb")):
        (dataset,) = tfdv.load_stats_binary(str(file)).datasets
        features = sorted(dataset.features, key=lambda feature: list(feature.path.step))
        found[file.parent.name] = (dataset.num_examples, [str(feature) for feature in features])
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def records(root: Path, split: str) -> list[bytes]:
    from components.examples_table import read_serialized

    folder = root / "artifacts" / "penguins" / "transformed_examples"
    return sorted(record for batch in read_serialized(folder, split) for record in batch)


def check_same_metrics(root: Path, expected: Path) -> None:
    """TFMA's metrics on the runner against those of the columnar Evaluator in memory, slice by slice."""
    import tensorflow_model_analysis as tfma

    result = tfma.load_eval_result(str(root / "artifacts" / "penguins" / "evaluation"))
    found = {name: values[""][""] for name, values in result.slicing_metrics}
    columnar = json.loads((expected / "artifacts" / "penguins" / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    slices = {tuple(sorted(each["slice"].items())): each for each in columnar["slices"]}
    present = {name: each for name, each in slices.items() if MISSING not in dict(name).values()}  # TFMA leaves these out
    assert {tuple(sorted(name)) for name in found} == present.keys()
    for name, values in found.items():
        ours = slices[tuple(sorted(name))]
        assert values["example_count"]["doubleValue"] == ours["num_examples"]
        for metric in ("accuracy", "log_loss"):
            # Keras' metrics, which TFMA wraps, add up in float32, in the order in which batches come.
            assert values[metric]["doubleValue"] == pytest.approx(ours["metrics"][metric], rel=1e-4, abs=1e-6)


def check_same_statistics(root: Path, expected: Path) -> None:
    folder = root / "artifacts" / "penguins"
    counts = accounting.check_statistics(folder / "examples", folder / "statistics")
    assert counts == {"train": 240, "eval": 50, "test": 54}
    assert statistics(root) == statistics(expected)


def check_same_transform(root: Path, expected: Path) -> None:
    folder, in_memory = (each / "artifacts" / "penguins" for each in (root, expected))
    assert accounting.check_transformed(folder / "examples", folder / "transformed_examples") == {"train": 240, "eval": 50}
    for split in ("train", "eval"):
        assert records(root, split) == records(expected, split)
    for part in ("transform_fn/assets", "metadata", "transformed_metadata"):
        assert files(folder / "transform_graph" / part) == files(in_memory / "transform_graph" / part)


@pytest.fixture
def portable(penguins: Path, tmp_path: Path, run_stages: RunStages, pipelines: list[tuple[str, dict[str, Any]]]) -> Path:
    """The three stages on PortableRunner, with the options that only it has."""
    with job_server() as endpoint:
        options = {"job_endpoint": endpoint, "environment_type": "LOOPBACK", "job_name": "penguins"}
        root = without(penguins, tmp_path / "portable", ON_BEAM, {"runner": "PortableRunner", "options": options})
        run_stages(root, "penguins", ON_BEAM)
    # Beam forgets the runner as it hands the pipeline over, and adds options of its own; each pipeline is a component's.
    told = {**options, "beam_plugins": ["components.bridge.worker_plugin"]}
    assert [(name, {key: found.get(key) for key in told}) for name, found in pipelines] == [("PortableRunner", told)] * 3
    return root


def test_every_component_gets_the_portable_runner_and_makes_the_same(portable: Path, penguins: Path) -> None:
    check_same_statistics(portable, penguins)
    check_same_transform(portable, penguins)
    check_same_metrics(portable, penguins)
    assert files(portable / "artifacts" / "penguins" / "report") == files(penguins / "artifacts" / "penguins" / "report")


def test_processes_transform_the_same(
    penguins: Path, tmp_path: Path, run_stages: RunStages, pipelines: list[tuple[str, dict[str, Any]]]
) -> None:
    options = {"direct_running_mode": "multi_processing", "direct_num_workers": 2}
    root = without(penguins, tmp_path / "a folder", ("transform",), {"runner": "DirectRunner", "options": options})
    run_stages(root, "penguins", ("transform",))
    assert [(name, {key: found.get(key) for key in options}) for name, found in pipelines] == [("ProcessesRunner", options)]
    check_same_transform(root, penguins)


def look(number: int, process: int, to: str) -> None:
    """Writes down who works on `number`, whose code it finds, and where the runner `process` and the worker listen."""
    import sys

    from components.bridge import beam

    found = {
        "process": os.getpid(),
        "code": str(Path(beam.__file__).parents[2]),
        "libraries": sorted({"tensorflow_text", "ydf_tf"} & set(sys.modules)),
        "listening": sorted(
            {
                each.laddr.ip
                for pid in {process, os.getpid()}
                for each in psutil.Process(pid).net_connections("inet")
                if each.status == psutil.CONN_LISTEN
            }
        ),
    }
    Path(to, f"{number}.json").write_text(json.dumps(found), encoding="utf-8")


@pytest.mark.parametrize("mode", ["multi_processing", "multi_threading"])
def test_workers_find_the_code_and_listen_on_loopback(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import apache_beam

    from components.bridge.beam import new_pipeline
    from components.params.models import BeamParams

    monkeypatch.chdir(tmp_path)
    with new_pipeline(BeamParams(options={"direct_running_mode": mode, "direct_num_workers": 2})) as pipeline:
        numbers = pipeline | apache_beam.Create(range(20)) | apache_beam.Reshuffle()
        _ = numbers | apache_beam.Map(look, os.getpid(), str(tmp_path))
    found = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert len(found) == 20
    processes = {each["process"] for each in found}
    assert len(processes) == (2 if mode == "multi_processing" else 1)
    assert (os.getpid() in processes) is (mode == "multi_threading")
    assert {each["code"] for each in found} == {str(ROOT)}
    listening = {address for each in found for address in each["listening"]}
    assert listening
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    if mode == "multi_processing":
        assert all(each["libraries"] == ["tensorflow_text", "ydf_tf"] for each in found)
