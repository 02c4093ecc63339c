"""Finds the texts that `data` names in the formats that are nothing but text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from components.errors import ParamsError
from components.ingest.class_folders import find_members
from components.ingest.documents_source import SUFFIXES, DocumentsSource
from components.ingest.encodings import resolve
from components.ingest.lines_source import LinesSource
from components.ingest.pairs_source import PairsSource
from components.ingest.sequences_source import SequencesSource
from components.params.models import DataParams


def find_documents(data: DataParams, key: str, pattern: str) -> list[DocumentsSource]:
    """The folders and archives of one pattern. Raises: ParamsError if there are none."""
    labelled = data.label is not None
    return [DocumentsSource(members, data.encoding, labelled) for members in find_members(key, pattern, "documents", SUFFIXES)]


def text_opener(data: DataParams) -> Callable[[Path], LinesSource | SequencesSource]:
    """What makes a source of a file of lines, or of one long text."""
    if data.format == "lines":
        return lambda path: LinesSource(path, resolve(data.encoding, path), data.label is not None)
    return lambda path: SequencesSource(path, resolve(data.encoding, path), data.sequences)


def open_pairs(data: DataParams) -> PairsSource:
    """The aligned files. Raises: ParamsError if one is not there."""
    paths = {name: Path(path) for name, path in data.pairs.items()}
    for name, path in paths.items():
        if not path.is_file():
            raise ParamsError(
                f"data.pairs.{name}: no file '{path}', from the repository's root. Expected a text file whose lines go with "
                "those of the others."
            )
    return PairsSource(paths, {name: resolve(data.encoding, path) for name, path in paths.items()})
