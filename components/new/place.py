"""Where the data of a pipeline lie: in a folder of the repository, which DVC watches."""

from __future__ import annotations

import glob
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from components.errors import UserError
from components.ingest.spans import as_glob

_WRITTEN_BY_STAGES = ("artifacts", "mlruns")


@dataclass(frozen=True)
class Place:
    """Where the data are to lie.

    Attributes:
        folder: What params.yaml names, from the repository's root.
        pattern: `data.path`.
        copies: Files and folders to copy into `folder`; none where the data lie in the repository already.
    """

    folder: str
    pattern: str
    copies: tuple[Path, ...] = ()


def find_place(name: str, pattern: str, root: Path) -> Place:
    """Where the data at `pattern` (a file, a folder, an archive or a glob) are to lie.

    Data in a folder of the repository stay; others, and those that lie in its root or straight in data/, as all folders
    of data do, are copied into data/NAME.

    Raises: UserError if they are to be copied, and something lies there.
    """
    absolute = Path(os.path.abspath(pattern))  # noqa: PTH100  a link within the repository stays what it is
    base = _base(absolute)
    folder = base if base.is_dir() else base.parent
    inside = folder.relative_to(root) if folder.is_relative_to(root) else None
    if inside is not None and inside.parts and inside != Path("data"):
        top = inside.parts[0]
        if top not in _WRITTEN_BY_STAGES and not top.startswith("."):
            return Place(inside.as_posix(), absolute.relative_to(root).as_posix())
    target = Path("data", name)
    if (root / target).exists():
        raise UserError(
            f"{target}: is there already, and {pattern} would be copied into it, for DVC watches a folder of the repository. "
            f"Expected data in a folder of the repository, or no {target}. Choose another name, or give a path within "
            f"{target}."
        )
    if not glob.has_magic(as_glob(pattern)):
        is_whole = absolute.is_dir()
        return Place(target.as_posix(), target.as_posix() if is_whole else (target / absolute.name).as_posix(), (absolute,))
    found = tuple(Path(path) for path in sorted(glob.glob(as_glob(str(absolute)), recursive=True)))  # noqa: PTH207
    below = absolute.relative_to(base)
    return Place(target.as_posix(), (target / below).as_posix(), found)


def _base(path: Path) -> Path:
    """What stands before the first wildcard, or before the name of the span."""
    while glob.has_magic(as_glob(str(path))):
        path = path.parent
    return path


def copy_data(place: Place, pattern: str, to: Path) -> int:
    """Copies what `place.copies` names into the folder `to`, which it makes; returns the bytes.

    Raises: UserError if something can't be read, or there is no room.
    """
    absolute = Path(os.path.abspath(pattern))  # noqa: PTH100
    base = _base(absolute)
    try:
        for source in place.copies:
            if source.is_dir() and source == absolute:
                shutil.copytree(source, to)
                continue
            target = to / (source.name if source == absolute else source.relative_to(base))
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(source, target)
    except (OSError, shutil.Error) as error:
        raise UserError(
            f"{pattern}: cannot be copied to {place.folder}: {error}. Copy it there yourself, or mend that."
        ) from None
    return sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
