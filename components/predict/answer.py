"""One block of records: judged, answered by the model, and explained where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.kinds import ARROW_TYPES, Kind
from components.ingest.rejects import Fault
from components.ingest.source import Block
from components.ingest.values import as_text, decode
from components.predict.feed import SPLIT
from components.tf_example import encode

if TYPE_CHECKING:
    from components.explain.explainer import Explainer
    from components.ingest.records import Converter
    from components.predict.model import Model

FILE, ROW, FORECAST_FROM = "file", "row", "forecast_from"
MODEL, VERSION = "model", "model_version"


@dataclass(frozen=True)
class Answered:
    """Of successive records of one file.

    Attributes:
        num_records: How many there are.
        rows: In the file's blocks, of the records that were answered (of windows their last ones), int64 [answers].
        columns: Name → values, [answers].
        faults: Of the records that are bad.
        num_nonfinite: Answers in which no number, or an infinite one, stands.
        num_short: Good rows of a time series that end no window.
    """

    num_records: int
    rows: np.ndarray
    columns: dict[str, pa.Array]
    faults: list[Fault]
    num_nonfinite: int
    num_short: int = 0


class Answerer:
    """Answers blocks; safe to use from several threads.

    Attributes:
        schema: Name → type of `Answered.columns`.

    Args:
        converter: Turns blocks into the features that the model takes.
        kept: Columns of the files that shall stand beside the answers, each with its name there and its kind.
        model: That answers.
        explainer: Of the same model; None where nothing is to be explained.
        forecast: Whether the model forecasts from windows.
    """

    def __init__(
        self,
        converter: Converter,
        kept: Mapping[str, tuple[str, Kind]],
        model: Model,
        explainer: Explainer | None,
        *,
        forecast: bool,
    ) -> None:
        self._converter, self._model, self._explainer = converter, model, explainer
        added = [] if explainer is None else list(explainer.schema)
        own = [FILE, ROW, *([FORECAST_FROM] if forecast else []), *model.schema.names, *(field.name for field in added)]
        taken = {*own, MODEL, VERSION}
        # Other columns may have their names.
        self._kept = {f"column_{name}" if name in taken else name: each for name, each in kept.items()}
        fields = [(name, ARROW_TYPES[kind]) for name, (_, kind) in self._kept.items()]
        fields += [(FORECAST_FROM, pa.string())] if forecast else []
        self.schema = pa.schema([*fields, *model.schema, *added])

    def answer(self, block: Block) -> Answered:
        """Judges and answers one block.

        Raises: UserError if the model can't take one of the good records.
        """
        prepared = self._converter.prepare(block, SPLIT)
        good = np.flatnonzero(prepared.splits >= 0)
        features = prepared.features
        if len(good) < block.num_records:
            places = pa.array(good)
            features = {name: array.take(places) for name, array in features.items()}
        columns, num_nonfinite = self.answers(features, len(good))
        columns |= self.kept(block, good)
        return Answered(block.num_records, block.first_row + good, columns, prepared.faults.list(), num_nonfinite)

    def answers(self, features: Mapping[str, pa.Array], number: int) -> tuple[dict[str, pa.Array], int]:
        """What the model says of so many examples, and for how many of them no finite number."""
        examples = encode(features, number)
        found = self._model.answer(examples)
        added = {} if self._explainer is None else self._explainer.explain(examples)
        return {**found, **added}, _num_nonfinite(found, number)

    def kept(self, block: Block, places: np.ndarray) -> dict[str, pa.Array]:
        """The columns that are copied, of the records at these places of the block."""
        found = {name: _kept(block, raw, kind) for name, (raw, kind) in self._kept.items()}
        if len(places) == block.num_records:
            return found
        return {name: array.take(pa.array(places)) for name, array in found.items()}


def _kept(block: Block, raw: str, kind: Kind) -> pa.Array:
    array = block.columns.get(raw)
    if array is None or array.type == pa.null():
        return pa.nulls(block.num_records, ARROW_TYPES[kind])
    texts = decode(array, marked=block.marked)[0]
    return as_text(texts) if kind == "string" else pc.cast(texts, ARROW_TYPES[kind])


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


def empty(schema: pa.Schema) -> dict[str, pa.Array]:
    """The columns of no record."""
    return {field.name: pa.array([], field.type) for field in schema}


def table_schema(answers: pa.Schema, names: Sequence[str] = ()) -> pa.Schema:
    """Of the output: where a record stands, the answers, and who gave them; `names` hold the names of files of pictures."""
    fields = [pa.field(each.name, pa.string()) if each.name in names else each for each in answers]
    ends = [(MODEL, pa.string()), (VERSION, pa.string())]
    return pa.schema([(FILE, pa.string()), (ROW, pa.int64()), *((each.name, each.type) for each in fields), *ends])
