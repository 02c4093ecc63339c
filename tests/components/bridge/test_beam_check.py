"""A mistake in the section `beam` is told in one message, before a stage begins."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from components.bridge import beam_check
from components.bridge.beam_check import check_beam
from components.bridge.graph import STAGES
from components.bridge.job import Job
from components.bridge.stage import ON_BEAM
from components.errors import ParamsError
from components.params.models import BeamParams
from tests.conftest import ROOT, working_in

PROCESSES = {"direct_running_mode": "multi_processing", "direct_num_workers": 2}
KNOWN = "DirectRunner, PortableRunner, FlinkRunner, SparkRunner"
START = "python -m apache_beam.runners.portability.local_job_service_main --job_port"
JAR = (
    "Expected the path of Beam's job server, a jar of Maven Central, in the version of apache-beam; or "
    "beam.options.job_endpoint of a server that runs. docs/runners.md says how to get it."
)
ENVIRONMENT = (
    "params.yaml: beam.options.environment_type: not given, and Beam's own Docker image has not the project's code. Expected "
    "LOOPBACK (workers in the stage itself), or PROCESS, EXTERNAL or DOCKER with an environment that has it: docs/runners.md."
)


def told(beam: BeamParams) -> str:
    with pytest.raises(ParamsError) as caught:
        check_beam(beam)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    "beam",
    [
        BeamParams(),
        BeamParams(options={}),
        BeamParams(options={**PROCESSES, "save_main_session": False, "experiments": "a,b"}),
        BeamParams(runner="apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner", options={}),
    ],
)
def test_what_is_right_passes(beam: BeamParams) -> None:
    check_beam(beam)


def test_unknown_runners() -> None:
    assert told(BeamParams(runner="FlinkRuner")) == (
        f"params.yaml: beam.runner: unknown runner 'FlinkRuner'. Did you mean 'FlinkRunner'? Known: {KNOWN}; name any other "
        "in full: module.Class. docs/runners.md tells what each needs."
    )
    assert told(BeamParams(runner="no_such.Runner")) == (
        "params.yaml: beam.runner: 'no_such.Runner' can't be imported (No module named 'no_such'). Expected a class that can, "
        f"as module.Class, or one of {KNOWN}."
    )
    assert told(BeamParams(runner="DataflowRunner")) == (
        "params.yaml: beam.runner: Dataflow's workers see neither this machine's artifacts nor a bucket as files, and the "
        f"project's components work on files. Expected a runner whose workers share their disk with the stage: {KNOWN}. "
        "See docs/runners.md."
    )


def test_all_mistakes_of_the_options_at_once() -> None:
    options = {
        **PROCESSES,
        "direct_num_workers": "two",
        "direct_num_worker": 1,
        "streaming": "yes",
        "runner": "x",
        "job_name": True,
    }
    assert told(BeamParams(options=options)).splitlines() == [
        "params.yaml: beam.options.direct_num_workers: invalid int value: 'two'.",
        "params.yaml: beam.options.direct_num_worker: unknown option. Did you mean 'direct_num_workers'? Expected an option "
        "of Beam's PipelineOptions.",
        "params.yaml: beam.options.streaming: expected true or false, got 'yes'.",
        "params.yaml: beam.options.runner: the runner stands beside the options. Expected beam.runner: x.",
        "params.yaml: beam.options.job_name: expected a value, as in job_name: …, got true.",
    ]


def test_workers_without_a_mode_would_be_one() -> None:
    assert told(BeamParams(options={"direct_num_workers": 2})) == (
        "params.yaml: beam.options.direct_num_workers: 2 workers, but direct_running_mode is in_memory, which has one. "
        "Expected direct_running_mode: multi_processing (or multi_threading), or direct_num_workers: 1."
    )


@pytest.fixture
def other_server() -> Iterator[str]:
    """A gRPC server that knows no jobs; its address."""
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("localhost:0")
    server.start()
    yield f"localhost:{port}"
    server.stop(0)


def test_job_servers(other_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(BeamParams(runner="PortableRunner", options={})) == (
        "params.yaml: beam.options.job_endpoint: not given, but PortableRunner hands its work to a job server. Expected its "
        f"address, such as localhost:8099, where one listens: {START} 8099"
    )
    portable: dict[str, Any] = {"job_endpoint": other_server, "environment_type": "LOOPBACK"}
    assert told(BeamParams(runner="PortableRunner", options=portable)) == (
        f"params.yaml: beam.options.job_endpoint: what answers at {other_server} is no Beam job server (UNIMPLEMENTED). "
        "Expected one; is it another server's port?"
    )
    monkeypatch.setattr(beam_check, "_ENDPOINT_TIMEOUT_S", 0.5)
    assert told(BeamParams(runner="PortableRunner", options={"job_endpoint": "localhost:1"})).splitlines() == [
        "params.yaml: beam.options.job_endpoint: nothing answers at localhost:1 (tried for 0.5 s). Expected a Beam job server"
        f". Start one here: {START} 1",
        ENVIRONMENT,
    ]


def test_flink_without_java_or_jar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    options = {"flink_job_server_jar": "none.jar", "flink_master": "localhost:8081"}
    assert told(BeamParams(runner="FlinkRunner", options=options)).splitlines() == [
        "params.yaml: beam.runner: FlinkRunner starts a job server in Java, and there is no java on PATH. Expected Java 11 or "
        "later (Debian, Ubuntu: apt install default-jre-headless), or beam.options.job_endpoint of a server that runs.",
        f"params.yaml: beam.options.flink_job_server_jar: no such file: none.jar. {JAR}",
        ENVIRONMENT,
    ]
    java = tmp_path / "java"
    java.touch(mode=0o755)
    assert told(BeamParams(runner="FlinkRunner", options={})) == (
        f"params.yaml: beam.options.flink_job_server_jar: not given, and nothing is downloaded unasked. {JAR}"
    )
    (tmp_path / "server.jar").touch()
    jar = str(tmp_path / "server.jar")
    assert told(BeamParams(runner="FlinkRunner", options={"flink_job_server_jar": jar, "fling_master": "x"})) == (
        "params.yaml: beam.options.fling_master: unknown option. Did you mean 'flink_master'? Expected an option of Beam's "
        "PipelineOptions; those of the job server itself need one that runs, as job_endpoint."
    )
    check_beam(BeamParams(runner="FlinkRunner", options={"flink_job_server_jar": jar, "parallelism": 2}))


def test_the_sections_of_the_page_are_right() -> None:
    page = (ROOT / "docs" / "runners.md").read_text(encoding="utf-8")
    sections = [yaml.safe_load(block)["beam"] for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert [section["runner"] for section in sections] == ["DirectRunner", "DirectRunner", "PortableRunner", "FlinkRunner"]
    for section in sections:
        # Neither the servers nor the jars of the examples are here.
        assert beam_check._check_options(BeamParams.model_validate(section), compiling=True) == []


@pytest.mark.slow
def test_beam_stages_are_those_with_a_beam_component() -> None:
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

    with working_in(ROOT):
        job = Job.load("taxi", Path())
        several = BeamParams(options={"direct_running_mode": "multi_processing"})  # in memory, stages do without Beam
        job = dataclasses.replace(job, shared=job.shared.model_copy(update={"beam": several}))
        channels: dict[str, Any] = {}
        found = {}
        for stage, build in STAGES.items():
            for component in build(job, channels):
                channels.update(component.outputs)
                if issubclass(component.executor_spec.executor_class, BaseBeamExecutor):
                    found[component.id] = stage
    assert found == {"StatisticsGen": "validate", "BeamTransform": "transform", "TfmaEvaluator": "evaluate"}
    assert tuple(found.values()) == ON_BEAM
