"""Hands the Beam runner of params.yaml to the components, without two detours that Beam and TFX make on one machine.

* Beam's DirectRunner first tries Prism, for which it downloads a program; what is meant is its in-process FnApiRunner.
* TFX packs itself into an archive for remote workers (2 s a component); where the work stays in this process, nobody reads it.
"""

from __future__ import annotations

from typing import Any

from components.params.models import BeamParams

LOCAL_RUNNER = "DirectRunner"
FN_API_RUNNER = "apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner"


def pipeline_args(beam: BeamParams) -> list[str]:
    """The arguments of a Beam pipeline, for TFX's own runners."""
    local = beam.runner == LOCAL_RUNNER
    return beam.model_copy(update={"runner": FN_API_RUNNER}).args() if local else beam.args()


def context_args(beam: BeamParams) -> dict[str, Any]:
    """What the bridge gives to a Beam executor's Context."""
    if beam.runner != LOCAL_RUNNER:
        return {"beam_pipeline_args": beam.args()}

    def make_pipeline() -> Any:
        import apache_beam
        from apache_beam.portability.api import beam_provision_api_pb2
        from apache_beam.runners.portability.fn_api_runner import fn_runner
        from apache_beam.runners.portability.portable_runner import JobServiceHandle

        options = apache_beam.options.pipeline_options.PipelineOptions(pipeline_args(beam))
        encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
        provision = fn_runner.ExtendedProvisionInfo(beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded))
        return apache_beam.Pipeline(runner=fn_runner.FnApiRunner(provision_info=provision), options=options)

    return {"make_beam_pipeline_fn": make_pipeline}
