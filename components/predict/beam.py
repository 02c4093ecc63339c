"""Predicts through Beam: a runner's workers share the files, and what they answer comes back as parts, in order.

Each worker loads the model once. The parts lie in a folder beside the output, which workers on other machines must see too,
as they must see input and model; a part's name says of which file and block it is, and they are put together in that order,
whoever answered them, and whenever. What is missing is noticed: runners of several processes have been seen to lose records.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.utils.shared import Shared

from components.errors import AccountingError
from components.ingest.kinds import Kind
from components.ingest.reading import map_blocks
from components.ingest.rejects import Check, Fault
from components.ingest.source import Malformed, Source
from components.params.models import DataParams
from components.predict.answer import Answered, Answerer
from components.predict.feed import Feed, open_sources
from components.predict.model import Model

if TYPE_CHECKING:
    from components.ingest.records import Converter

_ABOUT = b"answered"
_ROWS = "rows of the blocks"


class OnBeam:
    """Where records are answered, if not here.

    Args:
        make_pipeline: Makes an empty pipeline of the runner.
        model: Folder of the model artifact.
        folder: Where the parts lie for a while.
    """

    def __init__(self, make_pipeline: Callable[[], beam.Pipeline], model: Path, folder: Path) -> None:
        self._make_pipeline, self._model, self._folder = make_pipeline, model, folder

    @contextmanager
    def answers(
        self, feed: Feed, kept: Mapping[str, tuple[str, Kind]], *, explain: bool
    ) -> Iterator[Iterator[tuple[Source, Iterator[Answered]]]]:
        """Runs the pipeline, and gives each file with the answers to its blocks, in order.

        Raises: AccountingError, as the answers are read, if some are missing.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".parts-") as name:
            parts = Path(name)
            work = _PredictFile(feed.found, feed.converter, kept, self._model, parts, explain=explain)
            with self._make_pipeline() as pipeline:
                numbers = pipeline | "Files" >> beam.Create(list(range(len(feed.sources)))) | beam.Reshuffle()
                _ = numbers | "Predict" >> beam.ParDo(work)
            yield (_read(parts, number, source) for number, source in enumerate(feed.sources))


class _PredictFile(beam.DoFn):
    """Number of a file → nothing; writes a part a block, and what the file is as a whole."""

    def __init__(
        self,
        found: DataParams,
        converter: Converter,
        kept: Mapping[str, tuple[str, Kind]],
        model: Path,
        parts: Path,
        *,
        explain: bool,
    ) -> None:
        super().__init__()
        self._found, self._converter, self._kept = found, converter, dict(kept)
        self._model, self._parts, self._explain = model, parts, explain
        self._shared = Shared()

    def setup(self) -> None:
        """Once a worker."""
        loaded = self._shared.acquire(lambda: _Loaded(self._model, explain=self._explain))
        self._answerer = Answerer(self._converter, self._kept, loaded.model, loaded.explainer, forecast=False)
        self._sources = open_sources(self._found)

    def process(self, number: int) -> None:
        """Answers the blocks of one file, on the cores that the worker has."""
        source, num_blocks = self._sources[number], 0
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _, answered in map_blocks(pool, self._answerer.answer, source.blocks()):
                _write(self._parts / _part(number, num_blocks), self._answerer.schema, answered)
                num_blocks += 1
        told = {"num_blocks": num_blocks, "malformed": [asdict(each) for each in source.malformed]}
        _publish(self._parts / _file(number), json.dumps(told).encode())


class _Loaded:
    """What the bundles of one worker share."""

    def __init__(self, folder: Path, *, explain: bool) -> None:
        self.model = Model(folder)
        self.explainer = self.model.explainer() if explain else None


@dataclass
class _Answered:
    """A file that was read elsewhere: as the source, but for the records that its blocks left out."""

    source: Source
    malformed: Sequence[Malformed]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)


def _part(number: int, block: int) -> str:
    return f"{number:06d}-{block:08d}.arrow"


def _file(number: int) -> str:
    return f"{number:06d}.json"


def _publish(path: Path, content: bytes) -> None:
    """A runner may do the same work twice, and at the same time."""
    partial = path.with_name(f"{path.name}.{os.getpid()}-{id(content)}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def _write(path: Path, schema: pa.Schema, answered: Answered) -> None:
    told = {
        "num_records": answered.num_records,
        "num_nonfinite": answered.num_nonfinite,
        "faults": [asdict(fault) for fault in answered.faults],
    }
    schema = schema.append(pa.field(_ROWS, pa.int64())).with_metadata({_ABOUT: json.dumps(told).encode()})
    columns = {**answered.columns, _ROWS: pa.array(answered.rows)}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch([columns[name] for name in schema.names], schema=schema))
    _publish(path, sink.getvalue().to_pybytes())


def _read(parts: Path, number: int, source: Source) -> tuple[Source, Iterator[Answered]]:
    try:
        told = json.loads((parts / _file(number)).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AccountingError(
            f"predict: the runner answered nothing of {source.path}. Expected every file's answers in {parts}, which all of "
            "its workers must see. Run it again, or without --beam."
        ) from None
    malformed = [Malformed(**each) for each in told["malformed"]]
    return _Answered(source, malformed), _blocks(parts, number, source, told["num_blocks"])


def _blocks(parts: Path, number: int, source: Source, num_blocks: int) -> Iterator[Answered]:
    for block in range(num_blocks):
        path = parts / _part(number, block)
        if not path.exists():
            raise AccountingError(
                f"predict: the runner lost block {block + 1:,} of {num_blocks:,} of {source.path}. Expected all of them. Run "
                "it again, or without --beam."
            )
        with pa.ipc.open_file(pa.py_buffer(path.read_bytes())) as reader:
            told = json.loads(reader.schema.metadata[_ABOUT])
            batch = reader.get_batch(0)
        path.unlink()
        columns = {name: batch.column(name) for name in batch.schema.names}
        rows = np.asarray(columns.pop(_ROWS))
        faults = [Fault(**{**each, "check": Check(**each["check"])}) for each in told["faults"]]
        yield Answered(told["num_records"], rows, columns, faults, told["num_nonfinite"])
