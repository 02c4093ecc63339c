"""Predicts files of new records, a block at a time, on all cores or through Beam, in order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from components.errors import AccountingError, UserError
from components.ingest.reading import FileResult, by_rule, map_blocks, rejects_of
from components.ingest.rejects import SET_ASIDE, write_rejects
from components.ingest.source import Source, indices_of
from components.params.models import DataParams
from components.predict.answer import FILE, MODEL, ROW, VERSION, Answered, Answerer, table_schema
from components.predict.feed import Feed
from components.predict.forecast import Forecaster
from components.predict.model import Model
from components.predict.output import Output, check_output, partial_name

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

    from components.explain.gallery import Gallery
    from components.predict.beam import OnBeam

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
        num_short: Good rows of a time series that end no window, and so have no forecast.
        by_rule: Rule → how many records break it; they are in `rejects`.
        num_nonfinite: Predictions of which a number is none, or infinite.
        absent: Columns that the model takes and no record has.
        rejects: The file of the records that could not be predicted.
        explained: The folder of pictures and the page, where explanations have any.
        seconds: From the first record to the last.
    """

    num_records: int
    num_predictions: int
    num_short: int
    by_rule: dict[str, int]
    num_nonfinite: int
    absent: Sequence[str]
    rejects: Path
    explained: Path | None
    seconds: float


def rejects_file(output: Path) -> Path:
    """`predictions.parquet` → `predictions.rejects.csv`, beside it."""
    return output.with_name(f"{output.stem}.rejects.csv")


def explained_folder(output: Path) -> Path:
    """`predictions.parquet` → `predictions.explained`, beside it."""
    return output.with_name(f"{output.stem}.explained")


def predict(
    data: DataParams,
    schema: schema_pb2.Schema | None,
    model: Model,
    name: Name,
    path: str,
    output: Path,
    keep: Sequence[str] = (),
    on_progress: OnProgress = lambda num_records, seconds: None,
    *,
    explain: bool = False,
    on_beam: OnBeam | None = None,
) -> Predicted:
    """Writes a prediction for every record that can be read, in the order of the files and their records.

    Columns of the output: `file`; `row`, which counts the file's records from 1, bad ones too; those of `keep`; what
    `Model.answer` answers, and with `explain` what `Explainer.explain` does; `model` and `model_version`. Of a time series
    there is a row for each window, by its last row, and `forecast_from` is the time of the first row that it forecasts.

    Args:
        data: The pipeline's section `data`.
        schema: The reviewed schema, or None.
        model: That predicts.
        name: Its name.
        path: Of the new records, as `data.path`; its ending tells a table's format.
        output: A file that ends in .parquet, .csv or .jsonl. The rejects go to `rejects_file(output)`, pictures to
            `explained_folder(output)`.
        keep: Columns of the files to be copied to the output.
        on_progress: Called after every block with the number of records so far, and the seconds.
        explain: Whether every answer is explained.
        on_beam: Where the work is done, if not in this process's threads.

    Raises:
        ParamsError, UserError: As `Feed`; if no record is good, then the rejects are written; if the model can't be explained,
            or a time series is to be forecast on Beam.
        AccountingError: If records in differ from predictions + rejects.
    """
    check_output(output)
    rejects = rejects_file(output)
    results: list[FileResult] = []
    num_nonfinite = num_short = 0
    explainer = model.explainer() if explain else None
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(os.cpu_count()))
        feed = Feed(data, path, model.inputs, schema, pool)
        _check_apart(output, rejects, feed.sources)
        kept = feed.kept(keep)
        answerer = Answerer(feed.converter, kept, model, explainer, forecast=data.windows is not None)
        start = time.monotonic()
        if on_beam is not None:
            if data.windows is not None:
                raise UserError(
                    "--beam: a window's rows may begin in one block and end in the next, so a time series is read from its "
                    "beginning to its end. Leave --beam out."
                )
            answers = stack.enter_context(on_beam.answers(feed, kept, explain=explain))
        else:
            answers = _answers(pool, data, feed, answerer)
        gallery = None if explainer is None else _gallery(explained_folder(output), answerer.schema, explainer.how.form)
        table = table_schema(answerer.schema, [] if gallery is None else gallery.names)
        out = stack.enter_context(Output(output, table))
        if gallery is not None:
            stack.enter_context(gallery)
        for source, blocks in answers:
            result = FileResult(source)
            results.append(result)
            for answered in blocks:
                result.num_records_in += answered.num_records
                result.faults += answered.faults
                num_nonfinite += answered.num_nonfinite
                num_short += answered.num_short
                rows = indices_of(source, answered.rows.tolist())
                columns = {**_places(source, rows, each_file=feed.holds_folders), **answered.columns}
                if gallery is not None:
                    columns = gallery.add(columns)
                columns[MODEL] = pa.repeat(pa.scalar(name.model), len(rows))
                columns[VERSION] = pa.repeat(pa.scalar(name.version), len(rows))
                out.write(pa.record_batch([columns[field.name] for field in table], schema=table))
                on_progress(sum(each.num_records_in for each in results), time.monotonic() - start)
            result.num_records_in += len(source.malformed)
        seconds = time.monotonic() - start
        num_records = sum(result.num_records_in for result in results)
        num_rejects = _write_rejects(rejects, results)
        if num_records != out.num_rows + num_rejects + num_short:
            raise AccountingError(
                f"predict: {num_records:,} records in, {out.num_rows:,} predictions and {num_rejects:,} rejects out, and "
                f"{num_short:,} rows without a window. Expected as many out as in. Please report it with the file."
            )
        if num_records and not out.num_rows:
            raise UserError(_nothing(path, data, results, rejects, num_records))
        out.publish()
        if gallery is not None:
            gallery.publish()
    pictures = None if gallery is None else gallery.folder
    return Predicted(
        num_records, out.num_rows, num_short, by_rule(results), num_nonfinite, feed.absent, rejects, pictures, seconds
    )


def _answers(
    pool: ThreadPoolExecutor, data: DataParams, feed: Feed, answerer: Answerer
) -> Iterator[tuple[Source, Iterator[Answered]]]:
    """Each file and the answers to its blocks, in order, on the threads of the pool."""
    if data.windows is not None:
        time_column = feed.raw_name(data.windows.time[0])
        forecaster = Forecaster(pool, data.windows, time_column, feed.converter, answerer)
        return ((source, forecaster.answer(source)) for source in feed.sources)
    return (
        (source, (answered for _, answered in map_blocks(pool, answerer.answer, source.blocks()))) for source in feed.sources
    )


def _gallery(folder: Path, answers: pa.Schema, form: str) -> Gallery | None:
    """Where explanations go that are looked at rather than read; None where they are numbers."""
    if form not in ("image", "text"):
        return None
    from components.explain.gallery import Gallery

    return Gallery(folder, answers)


def _nothing(path: str, data: DataParams, results: Sequence[FileResult], rejects: Path, num_records: int) -> str:
    """Why there is no prediction."""
    first = next(rejects_of(results), None)
    if first is None:
        assert data.windows is not None  # noqa: S101  every other good record has a prediction
        width, step = data.windows.input_width, data.windows.step
        return (
            f"{path}: none of {num_records:,} rows ends a window. Expected {width} successive rows, {step} apart, in which no "
            f"value of {', '.join(data.windows.inputs)} is missing: give more rows, or fill in what is missing."
        )
    message = first.message.removesuffix(f", or {SET_ASIDE}")  # they are aside
    num_rejects = sum(result.num_rejects for result in results)
    if num_rejects < num_records:
        return f"{path}: of {num_records:,} rows {num_rejects:,} are bad, and no other ends a window. The first:\n{message}."
    return f"{path}: none of {num_records:,} records is good; they are in {rejects}. The first:\n{message}."


def _check_apart(output: Path, rejects: Path, sources: Sequence[Source]) -> None:
    """Raises a UserError if what is written would take the place of what is read."""
    read = {source.path.resolve() for source in sources}
    for path in (output, rejects):
        if path.resolve() in read:
            raise UserError(f"--output: {path} is among the files to predict. Expected another place; name another file.")


def _places(source: Source, rows: Sequence[int], *, each_file: bool) -> dict[str, pa.Array]:
    """Where records stand; `rows` are their indices in the file."""
    if each_file:
        files = pa.array([located.file for located in source.locate(rows)], pa.string())
    else:
        files = pa.repeat(pa.scalar(source.path.as_posix()), len(rows))
    return {FILE: files, ROW: pa.array(np.asarray(rows, np.int64) + 1)}


def _write_rejects(path: Path, results: Sequence[FileResult]) -> int:
    """As `rejects.write_rejects`; never half of the file stands there."""
    partial = partial_name(path)
    try:
        number = write_rejects(partial, rejects_of(results))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return number
