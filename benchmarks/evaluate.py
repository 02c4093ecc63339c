"""Our Evaluator against TFX's own (TFMA): the same model, test examples, metrics and slices, both in one process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.timing import compare
from components.bridge.artifact_folder import load_artifact
from components.bridge.beam import context_args
from components.examples_table import read_serialized
from components.params.models import BeamParams, EvaluateParams
from components.tfrecord_writer import frame

PARAMS = {"slices": [["payment_type"]], "thresholds": {"auc": {"min": 0.6}}}
"""Ours draws the bootstrap of the key metric as well, overall and by slice, which TFMA is not asked for."""


def run(copies: Sequence[int] = (1, 10), pipeline: Path = Path("artifacts/taxi")) -> Iterator[dict[str, Any]]:
    """Yields a result for each number of copies of a pipeline's test split; taxi has 2,261 examples there.

    Args:
        copies: How often the test split is repeated.
        pipeline: Artifacts of a pipeline that has been trained, and has the column of `PARAMS`.
    """
    for number in copies:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            num_examples = _repeat(pipeline / "examples", folder / "examples", number)
            inputs = {"examples": folder / "examples", "model": pipeline / "model", "schema": pipeline / "schema"}
            counter = iter(range(1000))
            yield compare(
                f"evaluation of {num_examples:,} examples / TFMA",
                lambda inputs=inputs, to=folder, counter=counter: _ours(inputs, to / f"ours-{next(counter)}"),
                lambda inputs=inputs, to=folder, counter=counter: _stock(inputs, to / f"stock-{next(counter)}"),
                repeats=3 if number == 1 else 1,
            )


def _repeat(examples: Path, to: Path, copies: int) -> int:
    """Writes an Examples artifact whose test split is that of `examples`, so many times over; returns its size."""
    import pyarrow as pa

    split = to / "Split-test"
    split.mkdir(parents=True)
    (to / "artifact.json").write_bytes((examples / "artifact.json").read_bytes())
    records = [record for batch in read_serialized(examples, "test") for record in batch]
    content = b"".join(frame(pa.array(records, pa.binary())).to_pylist())
    for copy in range(copies):
        (split / f"data-{copy:05}-of-{copies:05}.tfrecord").write_bytes(content)
    return len(records) * copies


def _ours(inputs: dict[str, Path], out: Path) -> None:
    from components.evaluate.plain import evaluate_and_bless

    evaluate_and_bless(inputs, out / "evaluation", out / "blessing", EvaluateParams.model_validate(PARAMS), seed=7)


def _stock(inputs: dict[str, Path], out: Path) -> None:
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import channel_utils

    from components.evaluate.tfma_evaluator import TfmaEvaluator

    artifacts = {key: [load_artifact(key, path)] for key, path in inputs.items()}
    channels = {key: channel_utils.as_channel(each) for key, each in artifacts.items()}
    component = TfmaEvaluator(**channels, params=EvaluateParams.model_validate(PARAMS))
    outputs = {}
    for key, channel in component.spec.outputs.items():
        artifact = channel.type()
        artifact.uri = str(out / key)
        Path(artifact.uri).mkdir(parents=True)
        outputs[key] = [artifact]
    context = BaseBeamExecutor.Context(**context_args(BeamParams()), tmp_dir=str(out / "tmp"), unique_id="0")
    component.executor_spec.executor_class(context).Do(artifacts, outputs, component.spec.exec_properties)
