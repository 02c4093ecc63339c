"""Predicts files of new records, a block at a time, on all cores, in order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import AccountingError, UserError
from components.ingest.kinds import ARROW_TYPES, Kind
from components.ingest.reading import FileResult, by_rule, map_blocks, rejects_of
from components.ingest.rejects import SET_ASIDE, Fault, write_rejects
from components.ingest.source import Block, Source, indices_of
from components.ingest.values import as_text, decode
from components.params.models import DataParams
from components.predict.feed import SPLIT, Feed
from components.predict.model import Model
from components.predict.output import Output, check_output, partial_name
from components.tf_example import encode

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

OnProgress = Callable[[int, float], None]


@dataclass(frozen=True)
class Name:
    """What predictions say of the model that made them."""

    model: str
    version: str


@dataclass(frozen=True)
class Predicted:
    """What became of the records.

    Attributes:
        num_records: That the files hold.
        num_predictions: In the output.
        by_rule: Rule → how many records break it; they are in `rejects`.
        num_nonfinite: Predictions of which a number is none, or infinite.
        absent: Columns that the model takes and no record has.
        rejects: The file of the records that could not be predicted.
        seconds: From the first record to the last.
    """

    num_records: int
    num_predictions: int
    by_rule: dict[str, int]
    num_nonfinite: int
    absent: Sequence[str]
    rejects: Path
    seconds: float


@dataclass(frozen=True)
class _Answered:
    """Of one block: where the good records stand in it, what the model answers, what is kept of them, and the others."""

    good: np.ndarray
    columns: dict[str, pa.Array]
    faults: list[Fault]
    num_nonfinite: int


def rejects_file(output: Path) -> Path:
    """`predictions.parquet` → `predictions.rejects.csv`, beside it."""
    return output.with_name(f"{output.stem}.rejects.csv")


def predict(
    data: DataParams,
    schema: schema_pb2.Schema | None,
    model: Model,
    name: Name,
    path: str,
    output: Path,
    keep: Sequence[str] = (),
    on_progress: OnProgress = lambda num_records, seconds: None,
) -> Predicted:
    """Writes a prediction for every record that can be read, in the order of the files and their records.

    Columns of the output: `file`; `row`, which counts the file's records from 1, bad ones too; those of `keep`; what
    `Model.answer` answers; `model` and `model_version`.

    Args:
        data: The pipeline's section `data`.
        schema: The reviewed schema, or None.
        model: That predicts.
        name: Its name.
        path: Of the new records, as `data.path`; its ending tells a table's format.
        output: A file that ends in .parquet, .csv or .jsonl. The rejects go to `rejects_file(output)`.
        keep: Columns of the files to be copied to the output.
        on_progress: Called after every block with the number of records so far, and the seconds.

    Raises:
        ParamsError, UserError: As `Feed`; if no record is good, then the rejects are written.
        AccountingError: If records in differ from predictions + rejects.
    """
    check_output(output)
    rejects = rejects_file(output)
    results: list[FileResult] = []
    num_nonfinite = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        feed = Feed(data, path, model.inputs, schema, pool)
        _check_apart(output, rejects, feed.sources)
        kept = feed.kept(keep)
        names = _names(kept, model.schema)
        fields = [("file", pa.string()), ("row", pa.int64())]
        fields += [(names[each], ARROW_TYPES[kind]) for each, (_, kind) in kept.items()]
        fields += [
            *((field.name, field.type) for field in model.schema),
            ("model", pa.string()),
            ("model_version", pa.string()),
        ]
        table = pa.schema(fields)

        def answer(block: Block) -> _Answered:
            return _answer(feed, model, kept, names, block)

        start = time.monotonic()
        with Output(output, table) as out:
            for source in feed.sources:
                result = FileResult(source)
                results.append(result)
                for block, answered in map_blocks(pool, answer, source.blocks()):
                    result.num_records_in += block.num_records
                    result.faults += answered.faults
                    num_nonfinite += answered.num_nonfinite
                    rows = indices_of(source, (block.first_row + answered.good).tolist())
                    columns = {**_places(source, rows, each_file=feed.holds_folders), **answered.columns}
                    columns["model"] = pa.repeat(pa.scalar(name.model), len(rows))
                    columns["model_version"] = pa.repeat(pa.scalar(name.version), len(rows))
                    out.write(pa.record_batch([columns[field.name] for field in table], schema=table))
                    on_progress(sum(each.num_records_in for each in results), time.monotonic() - start)
                result.num_records_in += len(source.malformed)
            seconds = time.monotonic() - start
            num_records = sum(result.num_records_in for result in results)
            num_rejects = _write_rejects(rejects, results)
            if num_records != out.num_rows + num_rejects:
                raise AccountingError(
                    f"predict: {num_records:,} records in, {out.num_rows:,} predictions and {num_rejects:,} rejects out. "
                    "Expected as many out as in. Please report it with the file."
                )
            if num_rejects and not out.num_rows:
                first = next(rejects_of(results)).message.removesuffix(f", or {SET_ASIDE}")  # they are aside
                raise UserError(
                    f"{path}: none of {num_records:,} records is good; they are in {rejects}. The first:\n{first}."
                )
            out.publish()
    return Predicted(num_records, out.num_rows, by_rule(results), num_nonfinite, feed.absent, rejects, seconds)


def _check_apart(output: Path, rejects: Path, sources: Sequence[Source]) -> None:
    """Raises a UserError if what is written would take the place of what is read."""
    read = {source.path.resolve() for source in sources}
    for path in (output, rejects):
        if path.resolve() in read:
            raise UserError(f"--output: {path} is among the files to predict. Expected another place; name another file.")


def _answer(
    feed: Feed, model: Model, kept: Mapping[str, tuple[str, Kind]], names: Mapping[str, str], block: Block
) -> _Answered:
    prepared = feed.converter.prepare(block, SPLIT)
    good = np.flatnonzero(prepared.splits >= 0)
    features = prepared.features
    taken = {names[name]: _kept(block, raw, kind) for name, (raw, kind) in kept.items()}
    if len(good) < block.num_records:
        places = pa.array(good)
        features = {name: array.take(places) for name, array in features.items()}
        taken = {name: array.take(places) for name, array in taken.items()}
    answers = model.answer(encode(features, len(good)))
    return _Answered(good, {**taken, **answers}, prepared.faults.list(), _num_nonfinite(answers, len(good)))


def _kept(block: Block, raw: str, kind: Kind) -> pa.Array:
    array = block.columns.get(raw)
    if array is None or array.type == pa.null():
        return pa.nulls(block.num_records, ARROW_TYPES[kind])
    texts = decode(array, marked=block.marked)[0]
    return as_text(texts) if kind == "string" else pc.cast(texts, ARROW_TYPES[kind])


def _names(kept: Sequence[str] | Mapping[str, object], answers: pa.Schema) -> dict[str, str]:
    """Names of the kept columns in the output, where other columns may have theirs."""
    taken = {"file", "row", "model", "model_version", *answers.names}
    return {name: f"column_{name}" if name in taken else name for name in kept}


def _num_nonfinite(answers: Mapping[str, pa.Array], number: int) -> int:
    bad = np.zeros(number, bool)
    for array in answers.values():
        flat, width = array, 1
        while pa.types.is_list(flat.type):
            flat = flat.flatten()
        if pa.types.is_floating(flat.type) and number:
            width = len(flat) // number
            bad |= ~np.isfinite(flat.to_numpy(zero_copy_only=False)).reshape(number, width).all(axis=1)
    return int(np.count_nonzero(bad))


def _places(source: Source, rows: Sequence[int], *, each_file: bool) -> dict[str, pa.Array]:
    """Where records stand; `rows` are their indices in the file."""
    if each_file:
        files = pa.array([located.file for located in source.locate(rows)], pa.string())
    else:
        files = pa.repeat(pa.scalar(source.path.as_posix()), len(rows))
    return {"file": files, "row": pa.array(np.asarray(rows, np.int64) + 1)}


def _write_rejects(path: Path, results: Sequence[FileResult]) -> int:
    """As `rejects.write_rejects`; never half of the file stands there."""
    partial = partial_name(path)
    try:
        number = write_rejects(partial, rejects_of(results))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return number
