"""The runner of params.yaml reaches the components; on one machine it is Beam's own, in this process."""

from __future__ import annotations

import pytest

from components.bridge.beam import FN_API_RUNNER, PROCESSES_RUNNER, context_args, pipeline_args, runs_here
from components.params.models import BeamParams

LOCAL = BeamParams()
FLINK = BeamParams(runner="FlinkRunner", options={"flink_master": "localhost:8081", "parallelism": 4})


def test_arguments() -> None:
    batches, plugin = "--tfxio_use_byte_size_batching", "--beam_plugins=components.bridge.worker_plugin"
    local = [f"--runner={FN_API_RUNNER}", "--direct_running_mode=in_memory", "--direct_num_workers=1", batches]
    assert pipeline_args(LOCAL) == local
    assert pipeline_args(FLINK) == [
        "--runner=FlinkRunner",
        "--flink_master=localhost:8081",
        "--parallelism=4",
        batches,
        plugin,
    ]
    several = BeamParams(options={"direct_running_mode": "multi_processing"})
    expected = [f"--runner={PROCESSES_RUNNER}", "--direct_running_mode=multi_processing", batches, plugin]
    assert pipeline_args(several) == expected


@pytest.mark.parametrize(
    ("beam", "here"),
    [
        (LOCAL, True),
        (BeamParams(options={}), True),
        (BeamParams(options={"temp_location": "/tmp/beam"}), True),  # noqa: S108
        (BeamParams(options={"direct_running_mode": "multi_threading"}), False),
        (BeamParams(options={"direct_running_mode": "multi_processing"}), False),
        (FLINK, False),
    ],
)
def test_only_in_memory_runs_here(beam: BeamParams, *, here: bool) -> None:
    assert runs_here(beam) is here


@pytest.mark.slow
def test_the_local_runner_works_without_a_download() -> None:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import DirectOptions
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
    from apache_beam.testing.util import assert_that, equal_to

    pipeline = context_args(BeamParams(options={"direct_num_workers": 3, "direct_running_mode": "multi_threading"}))[
        "make_beam_pipeline_fn"
    ]()
    assert isinstance(pipeline.runner, FnApiRunner)
    assert pipeline.options.view_as(DirectOptions).direct_num_workers == 3
    with pipeline:
        assert_that(pipeline | beam.Create([1, 2, 3]) | beam.Map(lambda number: number * 2), equal_to([2, 4, 6]))


@pytest.mark.slow
def test_records_are_batched_by_their_size() -> None:
    from tfx_bsl.coders.batch_util import GetBatchElementsKwargs

    context_args(LOCAL)["make_beam_pipeline_fn"]()
    assert GetBatchElementsKwargs(None)["min_batch_size"] == GetBatchElementsKwargs(None)["max_batch_size"]
