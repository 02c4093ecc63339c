"""Beam's FnApiRunner as the project uses it: in this process, in its threads, or in worker processes of its own."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from components.bridge.loopback import bind_to_loopback

_CODE = Path(__file__).resolve().parents[2]


def local_runner(options: PipelineOptions) -> fn_runner.FnApiRunner:
    """The runner for `direct_running_mode`."""
    mode = options.view_as(DirectOptions).direct_running_mode
    if mode == "multi_processing":
        return ProcessesRunner()
    if mode == "multi_threading":
        bind_to_loopback()
    return fn_runner.FnApiRunner(provision_info=_provision_info(options))


class ProcessesRunner(fn_runner.FnApiRunner):
    """Beam's `multi_processing`, with three mends.

    Workers start with this process's path of modules, told the pipeline's options, and also where the path of the
    environment holds a blank: Beam hands its command to a shell as it is, and waits for a worker for ever.
    """

    def run_pipeline(self, pipeline: Any, options: PipelineOptions) -> Any:
        bind_to_loopback()
        self._provision_info = _provision_info(options)
        self._default_environment = SubprocessSDKEnvironment.from_command_string(_worker_command())
        # Told the mode, the base class would put Beam's own command in the place of this one.
        told = options.get_all_options(drop_default=True)
        del told["direct_running_mode"]
        return super().run_pipeline(pipeline, PipelineOptions([], **told))


def _worker_command() -> str:
    paths = dict.fromkeys([str(Path.cwd()), str(_CODE), *(path for path in sys.path if path)])
    words = ["env", f"PYTHONPATH={':'.join(paths)}", sys.executable, "-m", "apache_beam.runners.worker.sdk_worker_main"]
    return f"exec {shlex.join(words)}"


def _provision_info(options: PipelineOptions) -> fn_runner.ExtendedProvisionInfo:
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options(drop_default=True))
    return fn_runner.ExtendedProvisionInfo(beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded))
