"""Finds the raw files: globs, the order of files, one header for all, and the digest of their content."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from components.errors import ParamsError, UserError
from components.ingest.csv_source import CsvSource
from components.ingest.expression import suggest
from components.ingest.jsonl_source import JsonlSource
from components.ingest.npz_source import NpzSource
from components.ingest.parquet_source import ParquetSource
from components.ingest.source import Source
from components.params.models import SPLITS, DataParams, FilesSplit

NAN_SPELLINGS = ("NaN", "nan")
"""Null values that are values in the columns of data.allow_nonfinite."""
_CHUNK_BYTES = 1 << 20


def find_sources(data: DataParams) -> list[tuple[Source, str | None]]:
    """The files that `data` names, sorted by name, each with its split where split files are given.

    Raises:
        ParamsError: If a glob finds nothing, or `data` has an encoding or a delimiter that there is not.
        UserError: If a file has no header, or another one than the first file.
    """
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
        for path in _find(key, pattern, data.format):
            if path in seen:
                raise ParamsError(f"{key}: {path} is in {seen[path]} too. Expected each file in one split.")
            seen[path] = split
            sources.append((open_source(path), split))
    if data.format != "jsonl":  # whose records may each have other keys
        _check_headers([source for source, _ in sources])
    elif not any(source.header for source, _ in sources):
        raise UserError(f"{sources[0][0].path}: holds no record, nor does any other file. Expected some. Add data.")
    return sources


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 of the files' own digests, in order: names don't count, content does."""
    whole = hashlib.sha256()
    for path in paths:
        one = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                one.update(chunk)
        whole.update(one.digest())
    return whole.hexdigest()


def _opener(data: DataParams) -> Callable[[Path], Source]:
    """What makes a source of a file, by `data.format`."""
    if data.format == "csv":
        null_values = [text for text in data.null_values if not data.allow_nonfinite or text not in NAN_SPELLINGS]
        return lambda path: CsvSource(path, data.delimiter, data.encoding, null_values)
    # The names in the file of the columns in which NaN is a value.
    renamed = {new: old for old, new in data.rename.items()}
    keep_nan = frozenset(renamed.get(name, name) for name in data.allow_nonfinite)
    kinds: dict[str, Callable[[Path, frozenset[str]], Source]] = {
        "jsonl": JsonlSource,
        "parquet": ParquetSource,
        "npz": NpzSource,
    }
    return lambda path: kinds[data.format](path, keep_nan)


def _check_text(data: DataParams) -> None:
    try:
        "".encode(data.encoding)
    except LookupError:
        raise ParamsError(
            f"data.encoding: no encoding {data.encoding!r}. Expected a name that Python knows, as utf-8, cp1252 or utf-16."
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


def _check_headers(sources: Sequence[Source]) -> None:
    """Every file must have the columns of the first, in any order."""
    first = sources[0]
    for other in sources[1:]:
        for one, two in ((first, other), (other, first)):
            for name in one.header:
                if name not in two.header:
                    where, mend = (f"{two.path}:1", "Mend the header") if two.unit == "line" else (two.path, "Add the column")
                    raise UserError(
                        f"{where}: no column {name!r}, which {one.path} has. Expected the same columns in every file, in "
                        f"any order. {suggest(name, two.header)} {mend}, or remove the file."
                    )
