"""Finds the raw files: globs, the order of files, one header for all, and the digest of their content."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.errors import ParamsError, UserError
from components.ingest.csv_source import CsvSource
from components.ingest.encodings import AUTO, resolve
from components.ingest.expression import suggest
from components.ingest.image_pool import ImagePool
from components.ingest.image_source import find_images
from components.ingest.image_table import ImageTable, open_root
from components.ingest.jsonl_source import JsonlSource
from components.ingest.npy_source import NpySource
from components.ingest.npz_source import NpzSource
from components.ingest.parquet_source import ParquetSource
from components.ingest.source import Source
from components.ingest.spans import Span, find_spans, newest
from components.ingest.text_files import find_documents, open_pairs, text_opener
from components.params.models import SPLITS, TABLE_FORMATS, TEXT_FORMATS, DataParams, FilesSplit, ImageParams

NAN_SPELLINGS = ("NaN", "nan")
"""Null values that are values in the columns of data.allow_nonfinite."""
_CHUNK_BYTES = 1 << 20


def find_sources(data: DataParams) -> list[tuple[Source, str | None]]:
    """The files that `data` names, span by span, sorted by name, each with its split where split files are given.

    Raises:
        ParamsError: If a glob finds nothing, or `data` has an encoding or a delimiter that there is not.
        UserError: If a file has no header, or another one than the first file.
    """
    sections = [data]
    if data.has_spans:
        sections = [of_span(data, span) for span in newest(find_spans(Path(), str(data.path)), data.last_spans)]
    pool = ImagePool()  # starts no process before there is work for it
    sources = [source for section in sections for source in open_sources(section, pool)]
    check_headers(data, [Header.of(source) for source, _ in sources])
    return sources


def of_span(data: DataParams, span: Span) -> DataParams:
    """The section `data` as it concerns one span alone."""
    return data.model_copy(update={"path": span.path, "last_spans": None})


def open_sources(data: DataParams, pool: ImagePool) -> list[tuple[Source, str | None]]:
    """`find_sources` of a section without spans, whose files' headers are not yet compared; `pool` decodes images."""
    _check_text(data)
    open_source = _opener(data)
    if isinstance(data.split, FilesSplit):
        globs: dict[str | None, tuple[str, str]] = {
            split: (f"data.split.{split}", getattr(data.split, split)) for split in SPLITS
        }
    else:
        globs = {None: ("data.path", str(data.path))}
    seen: dict[Path, str | None] = {}
    sources: list[tuple[Source, str | None]] = []
    for split, (key, pattern) in globs.items():
        found: Iterable[Source]
        if data.format == "images":
            found = find_images(data, key, pattern, pool)
        elif data.format in ("npz", "npy"):
            found = _open_arrays(data, key, _find(key, pattern, data.format), pool)
        elif data.format == "documents":
            found = find_documents(data, key, pattern)
        elif data.format == "pairs":
            found = [open_pairs(data)]
        else:
            found = (open_source(path) for path in _find(key, pattern, data.format))
        for source in found:
            if source.path in seen:
                raise ParamsError(f"{key}: {source.path} is in {seen[source.path]} too. Expected each file in one split.")
            seen[source.path] = split
            sources.append((source, split))
    if data.images and data.format in TABLE_FORMATS:
        return _with_images(data, sources, pool)
    return sources


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 of the files' own digests, in order. Names don't count, but within folders, where they tell classes."""
    whole = hashlib.sha256()
    for path in paths:
        for piece in digest_pieces(path):
            whole.update(piece)
    return whole.hexdigest()


def digest_pieces(path: Path) -> Iterator[bytes]:
    """What a file, or a folder, file by file, adds to `digest`."""
    if path.is_dir():
        for name in _names_below(path):
            yield os.fsencode(name) + b"\0" + file_digest(f"{path}/{name}")
    else:
        yield file_digest(path)


def input_paths(source: Source) -> Iterable[Path]:
    """The files and folders that hold what a source reads: one or more."""
    return getattr(source, "inputs", None) or (source.path,)


def span_inputs(data: DataParams, span: Span) -> list[Path]:
    """`input_paths` of all sources of a span, in order, without opening them."""
    if data.format not in TABLE_FORMATS or not data.images:
        return list(span.files)
    roots = [params.root for params in data.images.values()]
    return [
        path
        for file in span.files
        for path in dict.fromkeys([file, *(file.parent if root is None else Path(root) for root in roots)])
    ]


def _names_below(folder: Path) -> Iterator[str]:
    """Every file's name from the folder on, in the order of the names, folder by folder."""
    start = len(str(folder)) + 1
    for parent, folders, files in os.walk(folder):
        folders.sort()
        names = (f"{parent}/{file}" for file in sorted(files))
        yield from (name[start:] for name in names if os.path.isfile(name))  # noqa: PTH113  the fastest way


def file_digest(path: str | Path) -> bytes:
    """SHA-256 of one file."""
    content_digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  the fastest way
        while chunk := file.read(_CHUNK_BYTES):
            content_digest.update(chunk)
    return content_digest.digest()


def _opener(data: DataParams) -> Callable[[Path], Source]:
    """What makes a source of a file, by `data.format`."""
    if data.format == "csv":
        null_values = [text for text in data.null_values if not data.allow_nonfinite or text not in NAN_SPELLINGS]
        return lambda path: CsvSource(path, data.delimiter, resolve(data.encoding, path), null_values)
    if data.format in TEXT_FORMATS:
        return text_opener(data)
    keep_nan = _raw_nans(data)
    kinds: dict[str, Callable[[Path, frozenset[str]], Source]] = {
        "jsonl": JsonlSource,
        "parquet": ParquetSource,
    }
    return lambda path: kinds[data.format](path, keep_nan)


def _open_arrays(data: DataParams, key: str, paths: list[Path], pool: ImagePool) -> list[Source]:
    """A source a .npz file, or one of all .npy files."""
    images = _raw_images(data)
    keep_nan = _raw_nans(data)
    if data.format == "npz":
        return [NpzSource(path, keep_nan, images=images, pool=pool) for path in paths]
    stems: dict[str, Path] = {}
    for path in paths:
        if stems.setdefault(path.stem, path) != path:
            raise ParamsError(
                f"{key}: {stems[path.stem]} and {path} would both be the column {path.stem!r}. Expected a file a column."
            )
    return [NpySource(paths[0].parent, keep_nan, images=images, pool=pool, inputs=paths)]


def _with_images(
    data: DataParams, tables: Sequence[tuple[Source, str | None]], pool: ImagePool
) -> list[tuple[Source, str | None]]:
    """The tables with the images in place of the paths of `data.images`; a column that no file has is judged elsewhere."""
    header = {name for table, _ in tables for name in table.header}
    columns = {raw: params for raw, params in _raw_images(data).items() if raw in header}
    if not columns:
        return list(tables)
    shown = {raw: name for name, raw in zip(data.images, _raw_images(data), strict=True)}
    sources: list[tuple[Source, str | None]] = []
    for table, split in tables:
        roots = {raw: open_root(f"data.images.{shown[raw]}", params, table.path) for raw, params in columns.items()}
        sources.append((ImageTable(table, columns, roots, pool), split))
    return sources


def _raw_images(data: DataParams) -> dict[str, ImageParams]:
    """Name in the file → what `data.images` says."""
    renamed = {new: old for old, new in data.rename.items()}
    return {renamed.get(name, name): params for name, params in data.images.items()}


def _raw_nans(data: DataParams) -> frozenset[str]:
    """The names in the file of the columns in which NaN is a value."""
    renamed = {new: old for old, new in data.rename.items()}
    return frozenset(renamed.get(name, name) for name in data.allow_nonfinite)


def _check_text(data: DataParams) -> None:
    try:
        if data.encoding != AUTO:
            "".encode(data.encoding)
    except LookupError:
        raise ParamsError(
            f"data.encoding: no encoding {data.encoding!r}. Expected a name that Python knows, as utf-8, cp1252 or utf-16, or "
            f"{AUTO} to find it."
        ) from None
    if not data.delimiter.isascii() or data.delimiter in '"\r\n':
        raise ParamsError(
            f"data.delimiter: {data.delimiter!r} can't separate fields. Expected an ASCII character, as ',' or ';'."
        )


def _find(key: str, pattern: str, extension: str) -> list[Path]:
    found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 (absolute patterns too)
    files = [path for path in found if path.is_file()]
    if files:
        return files
    if found:
        raise ParamsError(f"{key}: {pattern} is a folder. Expected files, as {pattern.rstrip('/')}/*.{extension}.")
    folder = Path(pattern).parent
    there = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    hint = f"In {folder} there are: {', '.join(there[:10])}." if there else f"Folder {folder} holds no files."
    raise ParamsError(f"{key}: no file matches '{pattern}', from the repository's root. {hint}")


@dataclass(frozen=True)
class Header:
    """Names of the columns of one file, paths of images among them."""

    path: Path
    unit: Literal["line", "row"]
    names: list[str]

    @classmethod
    def of(cls, source: Source) -> Header:
        """That of a file. Raises: UserError if it has none, or they are no names."""
        table = source.table if isinstance(source, ImageTable) else source
        return cls(table.path, table.unit, table.header)


def check_headers(data: DataParams, headers: Sequence[Header]) -> None:
    """Every file must have the columns of the first, in any order; but of JSON Lines, whose records may each have other keys.

    Raises: UserError.
    """
    first = headers[0]
    if data.format == "jsonl":
        if not any(header.names for header in headers):
            raise UserError(f"{first.path}: holds no record, nor does any other file. Expected some. Add data.")
        return
    for other in headers[1:]:
        for one, two in ((first, other), (other, first)):
            for name in one.names:
                if name not in two.names:
                    where, mend = (f"{two.path}:1", "Mend the header") if two.unit == "line" else (two.path, "Add the column")
                    raise UserError(
                        f"{where}: no column {name!r}, which {one.path} has. Expected the same columns in every file, in "
                        f"any order. {suggest(name, two.names)} {mend}, or remove the file."
                    )
