"""New records as the model takes them: renamed, cast, derived and judged as at ingest, but for what serves the label alone.

The model says which columns it takes and of what kinds, so that new data are read as the training data were, whatever they
hold: a column of numbers that happens to be whole in one file does not become one of integers.
"""

from __future__ import annotations

import difflib
import glob
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from components.errors import ParamsError, UserError
from components.ingest.columns import Columns
from components.ingest.expression import Expression, suggest
from components.ingest.image_column import IMAGE_MEASURES
from components.ingest.kinds import Kind, unify
from components.ingest.reading import infer_kinds
from components.ingest.records import Converter
from components.ingest.source import Source
from components.ingest.sources import find_sources
from components.ingest.text_column import TEXT_MEASURES
from components.params.models import TABLE_FORMATS, DataParams, FilesSplit

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
_OF_CSV = ("delimiter", "encoding", "null_values")
_INPUT = "--input"
_MOST_SHOWN = 5
SPLIT = "test"
"""Every record's, as new records are not split."""


class Feed:
    """New records of one or several files.

    Attributes:
        found: The section `data` by which `open_sources` finds the files.
        sources: The files, in the order of their names.
        converter: Turns their blocks into the features that the model takes.
        absent: Columns that the model takes and no record of JSON Lines has; they are taken as missing.

    Args:
        data: The pipeline's section `data`.
        path: What to predict: a file, a folder, an archive or a pattern, as `data.path`.
        inputs: Column that the model takes → its kind.
        schema: The reviewed schema, which says the kinds of the columns that inputs are derived from; None to infer them.
        pool: Threads that work on blocks.

    Raises:
        ParamsError: With a line for each mistake in `data` that the files reveal.
        UserError: If a file can't be read, or lacks a column that the model takes.
    """

    def __init__(
        self,
        data: DataParams,
        path: str,
        inputs: Mapping[str, Kind],
        schema: schema_pb2.Schema | None,
        pool: ThreadPoolExecutor,
    ) -> None:
        if data.windows is not None:  # rows are read, of which windows are made
            inputs = dict.fromkeys(data.windows.inputs, "number")
        needed = _needed(data, inputs)
        if data.windows is not None:
            needed |= dict.fromkeys(data.windows.time, "which tells the time of a row (data.windows.time)")
        self.found = _narrow(data, path, needed)
        self.sources: list[Source] = open_sources(self.found)
        narrowed = self.found
        header = list(dict.fromkeys(name for source in self.sources for name in source.header))
        raw_names = {narrowed.rename.get(raw, raw): raw for raw in header}
        originals = {new: old for old, new in narrowed.rename.items()}
        self.absent = [name for name in needed if name not in raw_names]
        if self.absent and (narrowed.format != "jsonl" or len(self.absent) == len(needed)):
            self._fail(raw_names, originals, needed)
        header += [originals.get(name, name) for name in self.absent]
        narrowed = _without_the_rest(narrowed, header, inputs)
        columns = Columns(narrowed, header, _schema(schema, inputs))
        kinds = columns.kinds(infer_kinds(pool, narrowed, columns, self.sources))
        self.converter = Converter(narrowed, columns, kinds)
        self._raw_names = {name: raw for name, raw in raw_names.items() if name not in self.absent}
        self._format = narrowed.format

    def raw_name(self, name: str) -> str:
        """What the files call a column."""
        return self._raw_names.get(name, name)

    @property
    def holds_folders(self) -> bool:
        """Whether a record is a file, in the folder or archive that is the source."""
        return self._format in ("images", "documents")

    def kept(self, names: Sequence[str]) -> dict[str, tuple[str, Kind]]:
        """Columns that shall stand beside the answers, each with its name in the files, and its kind there.

        Raises: UserError if the files lack one.
        """
        kept: dict[str, tuple[str, Kind]] = {}
        for name in names:
            raw = self.raw_name(name)
            if not any(raw in source.header for source in self.sources):
                known = list(dict.fromkeys(each for source in self.sources for each in source.header))
                raise UserError(f"--keep: no column {name!r} in {self.sources[0].path}. {suggest(name, known)}")
            found = [source.kinds[raw] for source in self.sources if raw in source.kinds]
            kind = unify(found) if found and self._format != "jsonl" else "string"
            if kind == "bytes":
                raise UserError(f"--keep: the column {name!r} holds images. Expected numbers or texts; name another column.")
            kept[name] = raw, "string" if kind in (None, "missing") else kind
        return kept

    def _fail(self, raw_names: Collection[str], originals: Mapping[str, str], needed: Mapping[str, str]) -> None:
        path = self.sources[0].path
        lines = []
        for name in self.absent[:_MOST_SHOWN]:
            raw = originals.get(name, name)
            close = difflib.get_close_matches(raw, raw_names, n=1)
            lines.append(f"{path}: no column {raw!r}, {needed[name]}." + (f" Did you mean {close[0]!r}?" if close else ""))
        if len(self.absent) > _MOST_SHOWN:
            lines.append(f"… and {len(self.absent) - _MOST_SHOWN} more.")
        expected = ", ".join(sorted(originals.get(name, name) for name in needed))
        lines.append(f"Expected the columns {expected}. Add what is lacking; a value that is not known may be missing.")
        raise UserError("\n".join(lines))


def open_sources(found: DataParams) -> list[Source]:
    """The files of `Feed.found`. Raises: ParamsError and UserError as `Feed`."""
    try:
        return [source for source, _ in find_sources(found)]
    except ParamsError as error:
        raise ParamsError(str(error).replace("data.path:", f"{_INPUT}:")) from None


def _needed(data: DataParams, inputs: Collection[str]) -> dict[str, str]:
    """Columns of the files, as `rename` calls them, that the inputs are made of, each with what it is needed for."""
    needed = dict.fromkeys(inputs, "which the model takes")
    for name, text in reversed(data.derive.items()):  # a derived column reads only those before it
        if name in needed:
            del needed[name]
            for read in Expression(text, f"data.derive.{name}").column_names():
                needed.setdefault(read, f"of which the model's column {name!r} is derived (data.derive.{name})")
    measures = {f"{column}_{suffix}": column for column in data.text_columns for suffix in TEXT_MEASURES}
    measures |= {f"{column}_{suffix}": column for column in data.image_columns for suffix in IMAGE_MEASURES}
    for name, column in measures.items():
        if needed.pop(name, None):
            needed.setdefault(column, f"of which the model's column {name!r} is measured")
    return needed


def _narrow(data: DataParams, path: str, needed: Collection[str]) -> DataParams:
    """The section as the new files need it to be found: without label, split and thinning, every bad record set aside."""
    changes: dict[str, Any] = {"label": None, "split": {"by": "hash"}, "thin": {}, "on_bad_record": "quarantine"}
    if data.windows is not None:
        changes |= {"label": data.label, "split": {"by": "calendar"}}
    changes["path"] = glob.escape(path) if Path(path).exists() else path
    changes["last_spans"] = None  # new records are all wanted
    suffix = PurePath(path.removesuffix(".gz")).suffix.lower()
    if data.format == "pairs":  # new ones have no partners: the lines of one file
        (column, *others) = needed
        if others:
            raise UserError(f"data.pairs: the model takes several texts, {', '.join(needed)}. Expected it to take one.")
        changes |= {"format": "lines", "pairs": {}, "rename": {"text": column}}
    elif data.format in TABLE_FORMATS and _SUFFIXES.get(suffix, data.format) != data.format:
        changes["format"] = _SUFFIXES[suffix]
        changes |= {key: DataParams.model_fields[key].get_default(call_default_factory=True) for key in _OF_CSV}
    if data.format in TABLE_FORMATS:
        changes["images"] = {name: each.model_dump() for name, each in data.images.items() if name in needed}
    changes["texts"] = {name: each.model_dump() for name, each in data.texts.items() if name in needed}
    return DataParams.model_validate({**data.model_dump(), **changes})


def _without_the_rest(data: DataParams, header: Sequence[str], inputs: Collection[str]) -> DataParams:
    """The section as it concerns the columns that are there and the model takes."""
    needed = set(inputs) | set(_needed(data, inputs))
    rename = {old: new for old, new in data.rename.items() if old in header}
    read = {*needed, *inputs}
    derive: dict[str, str] = {}
    for name, text in reversed(data.derive.items()):
        if name in read:
            derive = {name: text, **derive}
            read |= set(Expression(text, f"data.derive.{name}").column_names())
    named = [rename.get(raw, raw) for raw in header]
    measured = [f"{column}_{suffix}" for column in data.text_columns for suffix in TEXT_MEASURES]
    measured += [f"{column}_{suffix}" for column in data.image_columns for suffix in IMAGE_MEASURES]
    windows = data.windows
    if windows is not None:  # what they are to forecast need not be there
        windows = windows.model_copy(update={"targets": windows.inputs})
        read |= set(windows.time)
    return data.model_copy(
        update={
            "windows": windows,
            "rename": rename,
            "cast": {name: kind for name, kind in data.cast.items() if name in read and name not in derive},
            "derive": derive,
            "drop": [] if windows else [name for name in dict.fromkeys([*named, *derive, *measured]) if name not in inputs],
            "allow_nonfinite": [name for name in data.allow_nonfinite if name in read],
            # What a record's hash would be is of no concern; whole files make no split.
            "split": FilesSplit(by="files", train=str(data.path), eval=str(data.path), test=str(data.path)),
        }
    )


def _schema(reviewed: schema_pb2.Schema | None, inputs: Mapping[str, Kind]) -> schema_pb2.Schema:
    """The reviewed schema, with what the model takes in the kinds in which it takes them."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    features = [] if reviewed is None else [each for each in reviewed.feature if each.name not in inputs]
    schema = schema_pb2.Schema(feature=features)
    types = {"integer": schema_pb2.INT, "number": schema_pb2.FLOAT, "string": schema_pb2.BYTES, "bytes": schema_pb2.BYTES}
    for name, kind in inputs.items():
        feature = schema.feature.add(name=name, type=types[kind])
        if kind == "bytes":
            feature.image_domain.SetInParent()
    return schema
