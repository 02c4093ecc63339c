"""What DVC has recorded: dvc.lock, .dvc files, and the cache with its lists of the files of folders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import UserError

DIRECTORY = ".dir"
_SKIPPED = {".git", ".venv", ".dvc", "artifacts", "mlruns", "node_modules", "__pycache__"}


@dataclass(frozen=True)
class Output:
    """One output as DVC recorded it.

    Attributes:
        path: From the repository's root.
        digest: md5 of the file, or of the list of the folder's files, then with `.dir`.
        maker: The stage, or the .dvc file.
    """

    path: str
    digest: str
    maker: str

    @property
    def again(self) -> str:
        """The command that makes it anew."""
        return "dvc pull" if self.maker.endswith(".dvc") else f"dvc pull, or dvc repro --force --single-item {self.maker}"


@dataclass(frozen=True)
class Recorded:
    """What DVC has recorded, and its cache.

    Attributes:
        root: The repository's root.
        cache: The folder that holds the cache's objects, each named by its md5.
        outputs: Of dvc.lock and of .dvc files.
    """

    root: Path
    cache: Path
    outputs: tuple[Output, ...]

    def object_path(self, digest: str) -> Path:
        """Where the cache keeps the content with this md5."""
        return self.cache / digest[:2] / digest[2:]

    def files(self, output: Output) -> dict[str, str] | None:
        """Path from the root → md5 of an output's files; None if the cache has no list of them, or a damaged one."""
        if not output.digest.endswith(DIRECTORY):
            return {output.path: output.digest}
        try:
            entries = json.loads(self.object_path(output.digest).read_text(encoding="utf-8"))
            return {f"{output.path}/{entry['relpath']}": entry["md5"] for entry in entries}
        except (OSError, ValueError, KeyError, TypeError):
            return None


def read_recorded(root: Path) -> Recorded:
    """Reads dvc.lock and the .dvc files of the repository in `root`. Raises: UserError if one of them can't be read."""
    outputs = []
    for maker, content in _stages(root):
        folder = Path(maker).parent if maker.endswith(".dvc") else Path()
        outputs += [
            Output((folder / out["path"]).as_posix(), out["md5"], maker)
            for out in content.get("outs", [])
            if out.get("hash") == "md5" and "md5" in out
        ]
    return Recorded(root, _cache(root), tuple(outputs))


def _stages(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    lock = root / "dvc.lock"
    if lock.exists():
        yield from (_yaml(lock).get("stages") or {}).items()
    folders = [root]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.is_dir() and not path.is_symlink() and path.name not in _SKIPPED:
                folders.append(path)
            elif path.suffix == ".dvc" and path.is_file():
                yield path.relative_to(root).as_posix(), _yaml(path)


def _yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        problem = " ".join(str(error).split())
        raise UserError(
            f"{path}: {problem}. Expected a file of DVC's: bring it back with git checkout -- {path.name}, after a conflict "
            "with the side that you keep."
        ) from None
    return content or {}


def _cache(root: Path) -> Path:
    """The cache's folder, as DVC's configuration of all levels has it."""
    from dvc.config import Config, ConfigError

    try:
        folder = Config(str(root / ".dvc")).get("cache", {}).get("dir")
    except ConfigError as error:
        raise UserError(
            f".dvc/config: {error}. Expected DVC's configuration: mend it, or git checkout -- .dvc/config"
        ) from None
    return (Path(folder) if folder else root / ".dvc" / "cache") / "files" / "md5"
