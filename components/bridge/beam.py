"""Hands the Beam runner of params.yaml to the components.

Four things are not as Beam and TFX have them:

* Beam's DirectRunner first tries Prism, for which it downloads a program; what is meant is its in-process FnApiRunner.
* TFX packs itself into an archive for remote workers (2 s a component); where the work stays in this process, nobody reads it.
* Beam batches records by how long the last batch took, so sums are rounded differently in every run. Batches by size make
  statistics and transforms the same every time.
* Building a pipeline takes longer than running it where data are small: `beam_mends`.
"""

from __future__ import annotations

from typing import Any

from components.bridge.beam_mends import mend
from components.params.models import BeamParams

LOCAL_RUNNER = "DirectRunner"
BATCHES_BY_SIZE = "--tfxio_use_byte_size_batching=true"
FN_API_RUNNER = "apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner"


def runs_locally(beam: BeamParams) -> bool:
    """Whether the work stays on this machine, so that it may be done without Beam."""
    return beam.runner == LOCAL_RUNNER


def pipeline_args(beam: BeamParams) -> list[str]:
    """The arguments of a Beam pipeline, for TFX's own runners."""
    local = runs_locally(beam)
    return [*(beam.model_copy(update={"runner": FN_API_RUNNER}) if local else beam).args(), BATCHES_BY_SIZE]


def context_args(beam: BeamParams) -> dict[str, Any]:
    """What the bridge gives to a Beam executor's Context."""
    if not runs_locally(beam):
        return {"beam_pipeline_args": pipeline_args(beam)}

    def make_pipeline() -> Any:
        import apache_beam
        import tfx_bsl.coders.batch_util  # noqa: F401  defines the flag
        from absl import flags
        from apache_beam.portability.api import beam_provision_api_pb2
        from apache_beam.runners.portability.fn_api_runner import fn_runner
        from apache_beam.runners.portability.portable_runner import JobServiceHandle

        mend()
        flags.FLAGS(["tensorline", BATCHES_BY_SIZE], known_only=True)
        options = apache_beam.options.pipeline_options.PipelineOptions(beam.args())
        encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
        provision = fn_runner.ExtendedProvisionInfo(beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded))
        return apache_beam.Pipeline(runner=fn_runner.FnApiRunner(provision_info=provision), options=options)

    return {"make_beam_pipeline_fn": make_pipeline}


def new_pipeline(beam: BeamParams) -> Any:
    """An empty Beam pipeline on the runner."""
    import apache_beam

    local = context_args(beam).get("make_beam_pipeline_fn")
    return local() if local is not None else apache_beam.Pipeline(argv=pipeline_args(beam))
