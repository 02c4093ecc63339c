"""Keeps what was analysed of each span of the data, so that the next analysis reads only what is new.

TensorFlow Transform can take the accumulators of its analyzers (sums, counts, sketches) from a cache, by data set. Its own
files of them hold pickles, which are not to be loaded; here they are TFRecord files, and a list of them in JSON with digests.

A span's folder is named by its name and the digest of its examples. Where the caches lie, the bridge says (`KEEPING`): a place
for each code, parameters and schema, so that no accumulator is taken for one of another preprocessing function.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow_transform as tft
from tensorflow_transform.beam import analyzer_cache as stock
from tfx_bsl import sketches

from components.examples_table import read_files
from components.tfrecord_writer import append, frame

_SPAN = re.compile(r"data-span-(?P<span>.+)-\d{5}-of-\d{5}\.tfrecord")
_ENTRIES_FILE = "entries.json"
_KEY_CHARS = 16


def by_span(files: Iterable[Path]) -> dict[str, list[Path]]:
    """Span → its files, as ingest names them; empty if the data have no spans."""
    spans: dict[str, list[Path]] = {}
    for file in sorted(files):
        match = _SPAN.fullmatch(file.name)
        if match is None:
            return {}
        spans.setdefault(match["span"], []).append(file)
    return spans


@dataclass(frozen=True)
class AnalyzerCache:
    """The accumulators of all spans.

    Attributes:
        spans: As `by_span` gives them.
        folder: Where they are kept; None: nowhere.
    """

    spans: Mapping[str, Sequence[Path]]
    folder: Path | None
    _written: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _mend_sketches()

    @property
    def datasets(self) -> dict[Any, Sequence[Path]]:
        """TFT's key of each span → its files."""
        return {stock.DatasetKey(f"{span}-{_digest(files)[:_KEY_CHARS]}"): files for span, files in self.spans.items()}

    def read(self, pipeline: Any, keys: Iterable[Any]) -> dict[Any, Any]:
        """What is kept whole of some spans, as TFT takes it: key → entries, each a collection of encoded accumulators."""
        return {
            key: stock.DatasetCache(
                {
                    bytes.fromhex(entry): pipeline
                    | f"Kept[{key.key}][{entry}]" >> beam.Create([str(self._place(key) / file)])
                    | f"Take[{key.key}][{entry}]" >> beam.ParDo(_ReadRecords()).with_output_types(bytes)
                    for entry, (file, _) in entries.items()
                },
                None,
            )
            for key in keys
            if (entries := self._entries(key))
        }

    def write(self, caches: Mapping[Any, Any] | None) -> None:
        """Adds to the pipeline what writes new accumulators; `keep`, when it has run, makes them known."""
        for key, cache in (caches or {}).items() if self.folder is not None else ():
            self._place(key).mkdir(parents=True, exist_ok=True)
            written = self._written[key.key] = {}
            for number, (entry, accumulators) in enumerate(sorted(cache.cache_dict.items())):
                # An entry that was kept before has another name: that of its content's folder never has two contents.
                file = f"{len(self._entries(key)) + number}.tfrecord"
                written[entry.hex()] = [file]
                _ = (
                    accumulators
                    | f"Gather[{key.key}][{number}]" >> beam.combiners.ToList()
                    | f"Keep[{key.key}][{number}]" >> beam.Map(_write_records, str(self._place(key) / file))
                )

    def keep(self) -> None:
        """Makes known what a finished pipeline wrote, and removes what is of no span that there is."""
        if self.folder is None:
            return
        keys = {key.key: key for key in self.datasets}
        for name, written in self._written.items():
            place = self._place(keys[name])
            entries = {
                **self._entries(keys[name]),
                **{entry: [file, _digest([place / file])] for entry, (file,) in written.items()},
            }
            aside = place / f".partial-{_ENTRIES_FILE}"
            aside.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            aside.rename(place / _ENTRIES_FILE)
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path.name not in keys:
                shutil.rmtree(path)

    def _place(self, key: Any) -> Path:
        return (self.folder or Path()) / str(key.key)

    def _entries(self, key: Any) -> dict[str, list[str]]:
        """Entry → (file, digest); empty if nothing is kept of the span, or something of it is damaged."""
        if self.folder is None:
            return {}
        try:
            entries: dict[str, list[str]] = json.loads((self._place(key) / _ENTRIES_FILE).read_text(encoding="utf-8"))
            intact = all(_digest([self._place(key) / file]) == digest for file, digest in entries.values())
        except (FileNotFoundError, ValueError):
            return {}
        return entries if intact else {}


def _digest(files: Iterable[Path]) -> str:
    """SHA-256 of the names and contents of files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\n".encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


class _ReadRecords(beam.DoFn):
    def process(self, element: str) -> Iterator[bytes]:
        """The records of a file."""
        for records in read_files([Path(element)]):
            yield from records


def _write_records(records: Sequence[bytes], path: str) -> None:
    with Path(path).open("wb") as file:
        append(file, frame(pa.array(sorted(records), pa.binary())))


def _mend_sketches() -> None:
    """TFT encodes the sketches of quantiles as pickles; this way they are the bytes that the sketches make of themselves."""
    coder = tft.analyzers._QuantilesSketchCacheCoder  # noqa: SLF001

    def decode_cache(self: Any, encoded_accumulator: bytes) -> Any:
        sketch = sketches.QuantilesSketch.__new__(sketches.QuantilesSketch)
        sketch.__setstate__(encoded_accumulator)
        return sketch

    coder.encode_cache = lambda self, accumulator: accumulator.__getstate__()
    coder.decode_cache = decode_cache
