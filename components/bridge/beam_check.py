"""Holds `beam.runner` and `beam.options` against what Beam knows and what is there, before a stage begins.

Beam drops an option that it does not know with a line in a log, leaves the process on a wrong value, and waits for a minute
for a job server that is not there.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import io
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.bridge.beam import IN_MEMORY, LOCAL_RUNNER, runs_here
from components.errors import ParamsError
from components.params.models import BeamParams

RUNNERS = (LOCAL_RUNNER, "PortableRunner", "FlinkRunner", "SparkRunner")
"""Those that docs/runners.md tells of; any other is named in full, `module.Class`."""
_JARS = {"FlinkRunner": "flink_job_server_jar", "SparkRunner": "spark_job_server_jar"}
_MASTERS = {"FlinkRunner": ("flink_master", ("[local]", "[auto]")), "SparkRunner": ("spark_master_url", ("local",))}
"""Where the option is not given, or begins so, Beam runs the workers in the stage (LOOPBACK)."""
_ENDPOINT_TIMEOUT_S = 5.0
_PAGE = "docs/runners.md"


def check_beam(beam: BeamParams, *, compiling: bool = False) -> None:
    """Looks for every mistake in the section `beam` that can be found ahead.

    Args:
        beam: The section.
        compiling: Whether the pipeline is only written down, for machines that see other folders and have other packages.

    Raises: ParamsError, with all mistakes of the options at once.
    """
    if runs_here(beam) and beam.options.items() <= BeamParams().options.items():
        return  # nothing to find, and importing Beam takes 2 s
    _check_runner(beam)
    problems = _check_needs(beam) if not compiling else []
    if not problems:
        problems = _check_options(beam, compiling=compiling)
    if problems:
        raise ParamsError("\n".join(f"params.yaml: beam.{problem}" for problem in problems))


def _check_runner(beam: BeamParams) -> None:
    if "." in beam.runner:
        module, _, name = beam.runner.rpartition(".")
        try:
            getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ParamsError(
                f"params.yaml: beam.runner: '{beam.runner}' can't be imported ({error}). Expected a class that can, as "
                f"module.Class, or one of {', '.join(RUNNERS)}."
            ) from None
    elif beam.runner not in {*RUNNERS, "DataflowRunner"}:
        raise ParamsError(
            f"params.yaml: beam.runner: unknown runner '{beam.runner}'{_did_you_mean(beam.runner, RUNNERS)} "
            f"Known: {', '.join(RUNNERS)}; name any other in full: module.Class. {_PAGE} tells what each needs."
        )
    if beam.runner.rpartition(".")[2] == "DataflowRunner":
        raise ParamsError(
            "params.yaml: beam.runner: Dataflow's workers see neither this machine's artifacts nor a bucket as files, and "
            "the project's components work on files. Expected a runner whose workers share their disk with the stage: "
            f"DirectRunner, PortableRunner, FlinkRunner, SparkRunner. See {_PAGE}."
        )


def _check_needs(beam: BeamParams) -> list[str]:
    """Servers, programs and options that a runner does not do without."""
    options = beam.options
    if beam.runner == LOCAL_RUNNER:
        workers = options.get("direct_num_workers", 1)
        if options.get("direct_running_mode", IN_MEMORY) == IN_MEMORY and workers != 1:
            message = (
                f"options.direct_num_workers: {workers} workers, but direct_running_mode is {IN_MEMORY}, which has one. "
                "Expected direct_running_mode: multi_processing (or multi_threading), or direct_num_workers: 1."
            )
            return [message]
        return []
    if beam.runner == "PortableRunner" and "job_endpoint" not in options:
        message = (
            "options.job_endpoint: not given, but PortableRunner hands its work to a job server. Expected its address, such "
            f"as localhost:8099, where one listens: {_start(8099)}"
        )
        return [message]
    problems = []
    if "job_endpoint" in options:
        problems += _check_endpoint(str(options["job_endpoint"]))
    elif beam.runner in _JARS:
        problems += _check_job_server(beam)
    master, local = _MASTERS.get(beam.runner, ("", ()))
    in_the_stage = master and str(options.get(master, local[0])).startswith(local)
    if beam.runner in {"PortableRunner", *_MASTERS} and not in_the_stage and "environment_type" not in options:
        problems.append(
            "options.environment_type: not given, and Beam's own Docker image has not the project's code. Expected LOOPBACK "
            f"(workers in the stage itself), or PROCESS, EXTERNAL or DOCKER with an environment that has it: {_PAGE}."
        )
    return problems


def _check_endpoint(endpoint: str) -> list[str]:
    import grpc

    with grpc.insecure_channel(endpoint) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_ENDPOINT_TIMEOUT_S)
        except grpc.FutureTimeoutError:
            port = endpoint.rpartition(":")[2]
            message = (
                f"options.job_endpoint: nothing answers at {endpoint} (tried for {_ENDPOINT_TIMEOUT_S:g} s). Expected a Beam "
                f"job server. Start one here: {_start(int(port) if port.isdecimal() else 8099)}"
            )
            return [message]
        try:
            _options_of_job_server(channel)
        except grpc.RpcError as error:
            message = (
                f"options.job_endpoint: what answers at {endpoint} is no Beam job server ({error.code().name}). Expected one; "
                "is it another server's port?"
            )
            return [message]
    return []


def _options_of_job_server(channel: Any) -> Any:
    from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

    server = beam_job_api_pb2_grpc.JobServiceStub(channel)
    request = beam_job_api_pb2.DescribePipelineOptionsRequest()
    return server.DescribePipelineOptions(request, timeout=_ENDPOINT_TIMEOUT_S).options


def _check_job_server(beam: BeamParams) -> list[str]:
    """FlinkRunner and SparkRunner start a job server in Java, for which Beam would look in the web."""
    problems = []
    java = Path(os.environ["JAVA_HOME"], "bin", "java") if "JAVA_HOME" in os.environ else None
    if not (shutil.which("java") if java is None else java.is_file()):
        problems.append(
            f"runner: {beam.runner} starts a job server in Java, and there is no {java or 'java on PATH'}. Expected Java 11 "
            "or later (Debian, Ubuntu: apt install default-jre-headless), or beam.options.job_endpoint of a server that runs."
        )
    key = _JARS[beam.runner]
    jar = beam.options.get(key)
    if jar is None or ("://" not in str(jar) and not Path(str(jar)).is_file()):
        found = "not given, and nothing is downloaded unasked" if jar is None else f"no such file: {jar}"
        problems.append(
            f"options.{key}: {found}. Expected the path of Beam's job server, a jar of Maven Central, in the version of "
            f"apache-beam; or beam.options.job_endpoint of a server that runs. {_PAGE} says how to get it."
        )
    return problems


def _check_options(beam: BeamParams, *, compiling: bool) -> list[str]:
    parser = _parser()
    if not compiling and "job_endpoint" in beam.options:
        _add_options_of_job_server(parser, str(beam.options["job_endpoint"]))
    known = {flag[2:]: action for action in parser._actions for flag in action.option_strings}  # noqa: SLF001
    problems = []
    for key, value in beam.options.items():
        if key == "runner":
            problems.append(f"options.runner: the runner stands beside the options. Expected beam.runner: {value}.")
        elif key not in known:
            problems.append(
                f"options.{key}: unknown option{_did_you_mean(key, known)} Expected an option of Beam's PipelineOptions"
                f"{_whose(beam)}."
            )
        else:
            problems += _check_value(parser, key, value, known[key])
    return problems


def _whose(beam: BeamParams) -> str:
    if beam.runner not in _JARS:
        return ""
    return "" if "job_endpoint" in beam.options else "; those of the job server itself need one that runs, as job_endpoint"


def _parser() -> Any:
    """Knows every option of Beam's, as Beam's own does."""
    from apache_beam.options import pipeline_options

    parser = pipeline_options._BeamArgumentParser(allow_abbrev=False, add_help=False)  # noqa: SLF001
    for options in dict.fromkeys(pipeline_options.PipelineOptions.__subclasses__()):
        if options.__module__ == pipeline_options.__name__:
            options._add_argparse_args(parser)  # noqa: SLF001
    return parser


def _add_options_of_job_server(parser: Any, endpoint: str) -> None:
    import argparse

    import grpc
    from apache_beam.portability.api import beam_job_api_pb2

    with grpc.insecure_channel(endpoint) as channel:
        described = _options_of_job_server(channel)
    for option in described:
        flag = option.type == beam_job_api_pb2.PipelineOptionType.BOOLEAN
        with contextlib.suppress(argparse.ArgumentError):  # one that Beam's Python knows as well
            parser.add_argument(f"--{option.name}", action="store_true" if flag else "store")


def _check_value(parser: Any, key: str, value: str | int | bool, action: Any) -> list[str]:
    is_flag = action.nargs == 0
    if is_flag != isinstance(value, bool):
        expected = "true or false" if is_flag else f"a value, as in {key}: …"
        return [f"options.{key}: expected {expected}, got {_shown(value)}."]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parser.parse_known_args(BeamParams(options={key: value}).args()[1:])
    except SystemExit:  # argparse's way to refuse
        reason = said.getvalue().strip().rpartition(f"--{key}: ")[2]
        return [f"options.{key}: {reason}."]
    return []


def _shown(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _start(port: int) -> str:
    return f"python -m apache_beam.runners.portability.local_job_service_main --job_port {port}"


def _did_you_mean(found: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(found, list(known), n=1)
    return f". Did you mean '{close[0]}'?" if close else "."
