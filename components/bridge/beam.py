"""Hands the Beam runner of params.yaml to the components.

Five things are not as Beam and TFX have them:

* Beam's DirectRunner first tries Prism, for which it downloads a program; what is meant is its in-process FnApiRunner, and
  with `direct_running_mode: multi_processing` the same runner with workers of its own (processes_runner.py).
* TFX packs itself into an archive for remote workers (2.5 s a component), which have not the project's code then; workers
  need an environment with both, so nobody would read it.
* Beam batches records by how long the last batch took, so sums are rounded differently in every run. Batches by size make
  statistics and transforms the same every time.
* Beam's servers listen on all interfaces; those in this process do so on the loopback one (loopback.py).
* Building a pipeline takes longer than running it where data are small: `beam_mends`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from components.bridge.beam_mends import mend
from components.params.models import BeamParams

LOCAL_RUNNER = "DirectRunner"
BATCHES_BY_SIZE = "--tfxio_use_byte_size_batching"  # without a value, which absl takes on no command line of argparse
FN_API_RUNNER = "apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner"
PROCESSES_RUNNER = "components.bridge.processes_runner.ProcessesRunner"
WORKER_PLUGIN = "--beam_plugins=components.bridge.worker_plugin"
IN_MEMORY = "in_memory"


def runs_here(beam: BeamParams) -> bool:
    """Whether the runner works in this process alone, so that a component may read the files itself instead of through Beam.

    That is DirectRunner in memory. Who asks for several threads or processes, or for another runner, gets Beam.
    """
    return beam.runner == LOCAL_RUNNER and beam.options.get("direct_running_mode", IN_MEMORY) == IN_MEMORY


def pipeline_args(beam: BeamParams) -> list[str]:
    """The arguments of a Beam pipeline."""
    runner = beam.runner
    if runner == LOCAL_RUNNER:
        several = beam.options.get("direct_running_mode") == "multi_processing"
        runner = PROCESSES_RUNNER if several else FN_API_RUNNER
    args = [*beam.model_copy(update={"runner": runner}).args(), BATCHES_BY_SIZE]
    return args if runs_here(beam) else [*args, WORKER_PLUGIN]


def context_args(beam: BeamParams) -> dict[str, Any]:
    """What the bridge gives to a Beam executor's Context."""
    return {"make_beam_pipeline_fn": partial(new_pipeline, beam)}


def new_pipeline(beam: BeamParams) -> Any:
    """An empty Beam pipeline on the runner."""
    import apache_beam
    import tfx_bsl.coders.batch_util  # noqa: F401  defines the flag
    from absl import flags
    from apache_beam.options.pipeline_options import PipelineOptions

    mend()
    flags.FLAGS(["tensorline", BATCHES_BY_SIZE], known_only=True)
    # The flag is absl's: Beam would hand it to the job server, which does not know it.
    options = PipelineOptions([arg for arg in pipeline_args(beam) if arg != BATCHES_BY_SIZE])
    if beam.runner != LOCAL_RUNNER:
        from components.bridge.loopback import bind_to_loopback

        bind_to_loopback()
        return apache_beam.Pipeline(options=options)
    from components.bridge.processes_runner import local_runner

    return apache_beam.Pipeline(runner=local_runner(options), options=options)
