"""How the champion does on freshly labelled records, against what it did on its own test split."""

from __future__ import annotations

import math
import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.bridge.job import Job
from components.errors import UserError
from components.tracking.attempts import ChampionFacts

if TYPE_CHECKING:
    from components.evaluate.model_info import ModelInfo
    from components.evaluate.predictions import Predictions
    from components.ingest.kinds import Kind

JUDGED = ("binary", "multiclass", "regression")
"""Kinds of model; of the others, records alone are not what is measured (groups, windows, scores without labels)."""
_REFUSED = re.compile(r"could not correctly convert string: (?P<why>.+)")
"""How a label that the schema does not know stops the graph: it has no other way to say a text."""
MIN_EXAMPLES = 30
"""Of fewer, resamples know too little of what might have come instead."""


@dataclass(frozen=True)
class Fresh:
    """What was measured.

    Attributes:
        path: Of the records.
        metric: The champion's key metric.
        num_examples: That were measured.
        num_rejects: Records that could not be read.
        value, low, high: On the fresh records, with its bootstrap interval.
        recorded: On the test split, when the champion was registered.
        loss: How much worse it is now (positive: worse, whichever way is up).
        loss_low, loss_high: Interval of the loss; None where one of the two has no interval.
        confidence: Of the intervals.
    """

    path: str
    metric: str
    num_examples: int
    num_rejects: int
    value: float
    low: float | None
    high: float | None
    recorded: float
    loss: float
    loss_low: float | None
    loss_high: float | None
    confidence: float

    @property
    def is_worse(self) -> bool:
        """Whether more than chance tells the two apart."""
        return self.num_examples >= MIN_EXAMPLES and self.loss_low is not None and self.loss_low > 0

    @property
    def told(self) -> str:
        """In words."""
        shown = f"{self.metric} {self.value:.4f}"
        if self.low is not None and self.high is not None:
            shown += f" [{self.low:.4f}, {self.high:.4f}]"
        told = f"{shown} on {self.num_examples:,} freshly labelled records, {self.recorded:.4f} on the champion's test split"
        if self.num_examples < MIN_EXAMPLES:
            return f"{told}: too few to tell ({MIN_EXAMPLES} are needed)"
        if self.loss_low is None or self.loss_high is None:
            return f"{told}: no interval, so nothing can be told"
        bounds = f"{self.confidence * 100:g}% interval of the loss {self.loss_low:+.4f} to {self.loss_high:+.4f}"
        return f"{told}: {'worse' if self.is_worse else 'no worse than chance allows'} ({bounds})"


def measure_fresh(job: Job, folder: Path, champion: ChampionFacts, path: str) -> Fresh:
    """Measures the champion's key metric on labelled records.

    The records are read as the section `data` says, as `tensorline predict` does, and the label with them. The interval of the
    difference between the two values, which come from different records, is made of both intervals by the method MOVER of Zou
    and Donner (2008), "Construction of confidence limits about effect measures: a general approach".

    Args:
        job: The pipeline; the working directory is its root.
        folder: The champion's files.
        champion: What is recorded of it.
        path: File, folder or glob, from the repository's root.

    Raises: UserError if the model is of a kind that is not measured so, if the files lack a column or a label, if no record
        can be read, or if nothing is recorded to compare with.
    """
    from components.evaluate.measure import key_metric_of, measure
    from components.evaluate.model_info import read_model_info

    model = read_model_info(folder)
    if model.kind not in JUDGED:
        raise UserError(
            f"retrain.fresh: the champion is a {model.kind} model. Expected a classifier or a regression, which alone are "
            "judged record by record. Leave the key, and --labelled, out."
        )
    metric = key_metric_of(model)
    recorded = champion.metrics.get(metric.name)
    if recorded is None:
        raise UserError(
            f"retrain.fresh: version {champion.version} has no recorded {metric.name} to compare with. Expected what the "
            "register stage records; promote a version that it registered."
        )
    params = job.params.evaluate
    with tempfile.TemporaryDirectory(prefix="tensorline-") as scratch:
        num_rejects = _write_examples(job, folder, str(model.label), path, Path(scratch))
        predictions = _predict(Path(scratch), folder, model, path)
    measured = measure(model, predictions, params.model_copy(update={"costs": None}), job.shared.seed)
    value = measured.values[metric.name]
    if value is None:
        raise UserError(f"{path}: {metric.name} is undefined on these records: {metric.undefined}. Expected more of them.")
    ends = (champion.metrics.get(f"{metric.name}_low"), champion.metrics.get(f"{metric.name}_high"))
    loss, loss_low, loss_high = _loss(
        metric.sign,
        _widened(metric.name, (value, measured.low, measured.high), measured.num_examples, params.confidence),
        _widened(metric.name, (recorded, *ends), champion.metrics.get("num_examples"), params.confidence),
    )
    return Fresh(
        path,
        metric.name,
        measured.num_examples,
        num_rejects,
        value,
        measured.low,
        measured.high,
        recorded,
        loss,
        loss_low,
        loss_high,
        params.confidence,
    )


Estimate = tuple[float, float | None, float | None]
"""A value and its interval."""


def _widened(metric: str, estimate: Estimate, num_examples: float | None, confidence: float) -> Estimate:
    """The estimate; where all resamples agree the bootstrap knows no interval, and for the accuracy the binomial one is taken.

    That is the exact one of Clopper and Pearson (1934), where no prediction, or every one, is wrong.
    """
    value, low, high = estimate
    if low is None or high is None or low < high:
        return estimate
    if metric != "accuracy" or not num_examples or value not in (0, 1):
        return value, None, None
    bound = ((1 - confidence) / 2) ** (1 / num_examples)
    return (1.0, bound, 1.0) if value == 1 else (0.0, 0.0, 1 - bound)


def _loss(sign: int, fresh: Estimate, recorded: Estimate) -> tuple[float, float | None, float | None]:
    """How much less than recorded where more is better, else how much more, with its interval."""
    (worse, worse_low, worse_high), (better, better_low, better_high) = fresh, recorded
    loss = sign * (better - worse)
    if worse_low is None or worse_high is None or better_low is None or better_high is None:
        return loss, None, None
    low = math.hypot(better - better_low, worse_high - worse)
    high = math.hypot(better_high - better, worse - worse_low)
    if sign < 0:
        low, high = high, low
    return loss, loss - low, loss + high


def _predict(examples: Path, folder: Path, model: ModelInfo, path: str) -> Predictions:
    """Answers and labels. Raises: UserError if the model knows a label not, or can't take a record."""
    import tensorflow as tf
    from tensorflow_metadata.proto.v0 import schema_pb2

    from components.evaluate.predictions import predict

    try:
        return predict(examples, folder, model, schema_pb2.Schema())
    except tf.errors.InvalidArgumentError as error:
        told = _REFUSED.search(error.message)
        why = told["why"] if told else error.message.splitlines()[0]
        raise UserError(
            f"{path}: the model refuses a record: {why}. Expected records as in the training data, each with a label that it "
            "knows."
        ) from None


def _write_examples(job: Job, folder: Path, label: str, path: str, to: Path) -> int:
    """Writes the records as a test split; returns how many could not be read."""
    import pyarrow as pa

    from components.ingest.reading import map_blocks
    from components.predict.feed import SPLIT, Feed
    from components.predict.model import Model
    from components.tf_example import encode
    from components.tfrecord_writer import ShardWriter, frame

    writer = ShardWriter(to / f"Split-{SPLIT}", 1)
    num_records = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        inputs = {**Model(folder).inputs, label: _label_kind(job, label)}
        feed = Feed(job.params.data, path, inputs, job.reviewed_schema, pool)

        for source in feed.sources:
            for block, prepared in map_blocks(pool, lambda block: feed.converter.prepare(block, SPLIT), source.blocks()):
                num_records += block.num_records
                good = pa.array(np.flatnonzero(prepared.splits >= 0))
                features = {name: array.take(good) for name, array in prepared.features.items()}
                writer.write(frame(encode(features, len(good))))
            num_records += len(source.malformed)
    if not writer.num_records:
        raise UserError(f"{path}: none of {num_records:,} records is good. tensorline ingest-check '{path}' tells why.")
    return num_records - writer.num_records


def _label_kind(job: Job, label: str) -> Kind:
    """How the label is stored in the examples that the model knows."""
    report = job.ingest_report()
    if report is not None and label in report["columns"]:
        kind: Kind = report["columns"][label]
        return kind
    schema = job.reviewed_schema
    for feature in [] if schema is None else schema.feature:
        if feature.name == label:
            kinds: dict[int, Kind] = {1: "string", 2: "integer", 3: "number"}
            return kinds[feature.type]
    raise UserError(
        f"retrain: whether the label '{label}' is a number or a text is not known. Expected artifacts/{job.name}/"
        f"ingest_report or a reviewed schema: dvc pull, or tensorline schema {job.name} --accept"
    )
