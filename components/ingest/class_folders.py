"""Which files of a folder or archive are records, and of which class: the first folder below the root.

What systems leave in folders (hidden files, `__MACOSX`, `Thumbs.db`), and files beside the class folders that are no records
by their names (README.md, labels.csv), are no records; they are counted. All else is one.
"""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import ParamsError, UserError
from components.ingest.archive import SUFFIXES, is_archive
from components.ingest.image_store import FolderStore, Store, open_store

_LITTER = r"(^|/)(\.[^/]*|__MACOSX|Thumbs\.db|ehthumbs\.db|desktop\.ini|Icon\r)(/|$)"


@dataclass(frozen=True)
class Chosen:
    """The files that are records.

    Attributes:
        indices: Of those of the store.
        labels: Their classes (string, [records]), missing where they lie in no folder.
        num_ignored: Files that are no records.
    """

    indices: np.ndarray
    labels: pa.Array
    num_ignored: int


@dataclass(frozen=True)
class Members:
    """Files of one folder or archive.

    Attributes:
        store: Where they lie.
        noun: What they are, in messages: "images".
        suffixes: Their usual endings, in small letters.
        below: Folder in the store that is the root, with a slash at its end; empty for the store itself.
        only: Names of the files to take, of those of the store (string, [files]); None for all.
        pattern: What `only` matches.
    """

    store: Store
    noun: str
    suffixes: Collection[str]
    below: str = ""
    only: pa.Array | None = None
    pattern: str = ""

    @property
    def path(self) -> Path:
        """As messages show it."""
        return Path(self.pattern) if self.pattern else self.store.path / self.below

    @property
    def inputs(self) -> Iterator[Path]:
        """The files and folders that hold what is read."""
        if self.only is None:
            yield self.store.path
        else:
            for name in self.only:
                yield self.store.path / name.as_py()

    def choose(self, *, labelled: bool) -> Chosen:
        """The records; `labelled`: whether they must have classes.

        Raises: UserError if there is no record, or none has a class.
        """
        names = self.store.names
        inside = np.ones(len(names), bool)
        if self.below:
            inside &= _mask(pc.starts_with(names, self.below))
        if self.only is not None:
            inside &= _mask(pc.is_in(names, self.only))
        num_files = int(inside.sum())
        inside &= ~_mask(pc.match_substring_regex(names, _LITTER))
        top = self.below
        if not self.below and self.only is None and not self.store.path.is_dir():
            top = _only_folder(names.filter(pa.array(inside)))
        rest = pc.utf8_slice_codeunits(names, len(top))
        has_class = _mask(pc.match_substring(rest, "/"))
        if labelled:
            for index in np.flatnonzero(inside & ~has_class).tolist():
                inside[index] = PurePosixPath(names[index].as_py()).suffix.lower() in self.suffixes
        chosen = np.flatnonzero(inside)
        if not len(chosen):
            raise UserError(f"{self.path}: holds no {self.noun}. Expected files in a folder for each class. Add data.")
        if labelled and not has_class[chosen].any():
            raise UserError(
                f"{self.path}: its {len(chosen):,} {self.noun} lie in no folder. Expected a folder for each class: "
                "CLASS/…/file. Name the folder that holds the class folders, or set data.label: null if there are no classes."
            )
        labels = pc.if_else(pa.array(has_class), pc.replace_substring_regex(rest, r"/.*", ""), pa.scalar(None, pa.string()))
        return Chosen(chosen, labels.take(pa.array(chosen)), num_files - len(chosen))


def find_members(key: str, pattern: str, noun: str, suffixes: Collection[str]) -> list[Members]:
    """What one pattern names, sorted by name.

    It may name folders, archives, folders in an archive (`images.zip/train`), or the files themselves (`flowers/*/*.jpg`),
    whose root is what stands before the first wildcard.

    Raises: ParamsError if there is nothing, or files and archives are mixed.
    """
    archive = next((parent for parent in Path(pattern).parents if is_archive(parent) and parent.is_file()), None)
    if archive is not None:
        below = Path(pattern).relative_to(archive).as_posix() + "/"
        return [Members(open_store(archive), noun, suffixes, below)]
    found = [Path(path) for path in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 (absolute patterns too)
    archives = [path for path in found if is_archive(path) and path.is_file()]
    files = [path for path in found if path.suffix.lower() in suffixes and path.is_file()]
    if archives and files:
        raise ParamsError(
            f"{key}: '{pattern}' matches archives, as {archives[0]}, and {noun}, as {files[0]}. Expected the one or the other."
        )
    if files:
        root = _root(pattern)
        names = pa.array([path.relative_to(root).as_posix() for path in found if path.is_file()], pa.string())
        return [Members(FolderStore(root), noun, suffixes, only=names, pattern=pattern)]
    roots = [path for path in found if path in archives or path.is_dir()]
    if not roots:
        there = f" It matches {found[0]}, which is none of these." if found else ""
        raise ParamsError(
            f"{key}: no {noun} at '{pattern}', from the repository's root.{there} Expected a folder, an archive "
            f"({', '.join(SUFFIXES)}), or a pattern that matches folders, archives or {noun}."
        )
    return [Members(open_store(path), noun, suffixes) for path in roots]


def _root(pattern: str) -> Path:
    """The folder before the first wildcard, or that of the one file."""
    parts = Path(pattern).parts
    fixed = next((index for index, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return Path(*parts[:fixed])


def _only_folder(names: pa.Array) -> str:
    """The folder, with a slash at its end, in which everything lies in folders again; empty if there is none."""
    firsts = pc.unique(pc.replace_substring_regex(names, r"/.*", "/"))
    if len(firsts) != 1 or not firsts[0].as_py().endswith("/"):
        return ""
    top: str = firsts[0].as_py()
    return top if pc.any(pc.match_substring(pc.utf8_slice_codeunits(names, len(top)), "/")).as_py() else ""


def _mask(values: pa.Array) -> np.ndarray:
    found: np.ndarray = values.to_numpy(zero_copy_only=False)
    return found
