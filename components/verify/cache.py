"""Rehashes DVC's cache: each object is named by the md5 of its content, so a damaged one shows."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from components.verify.finding import Finding
from components.verify.hashing import digests
from components.verify.lock_file import DIRECTORY, Output, Recorded

CHECK = "cache"
_OBJECT = re.compile(r"[0-9a-f]{30}(?:\.dir)?")
_PREFIX = re.compile(r"[0-9a-f]{2}")
_MAX_NAMED = 3


@dataclass(frozen=True)
class Cached:
    """What the cache holds.

    Attributes:
        findings: What is not as it should be.
        num_objects, num_bytes: That were read.
        sound: The names of the objects that hold what they should.
        damaged: The names of those that did not when they were read.
    """

    findings: list[Finding]
    num_objects: int
    num_bytes: int
    sound: frozenset[str]
    damaged: frozenset[str]


def check_cache(recorded: Recorded, workspace: Mapping[Path, str], *, fix: bool) -> Cached:
    """Rehashes every object.

    Args:
        recorded: What DVC has recorded.
        workspace: File of an artifact → md5 of its content, from which a damaged object may be mended.
        fix: Replaces a damaged object by the workspace's copy; where there is none, removes it, so that DVC gets it again.
    """
    objects = dict(_objects(recorded.cache))
    found = digests(objects.values(), "md5", "DVC's cache")
    damaged = {name: found.get(path) for name, path in objects.items() if found.get(path) != name.removesuffix(DIRECTORY)}
    findings = [_damaged(recorded, name, objects[name], damaged[name], _needed_by(recorded, name)) for name in damaged]
    if fix:
        copies = {digest: path for path, digest in workspace.items()}
        findings = [
            _mend(finding, objects[name], copies.get(name), needed=bool(_needed_by(recorded, name)))
            for finding, name in zip(findings, damaged, strict=True)
        ]
    mended = {name for finding, name in zip(findings, damaged, strict=True) if finding.mended and objects[name].exists()}
    num_bytes = sum(path.stat().st_size for path in found if path.exists())
    sound = frozenset(objects.keys() - damaged.keys() | mended)
    return Cached(findings, len(objects), num_bytes, sound, frozenset(damaged))


def put_into_cache(source: Path, target: Path) -> None:
    """Copies a file into the cache in one piece, read-only, as DVC does."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    shutil.copyfile(source, aside)
    aside.chmod(0o444)
    aside.replace(target)


def _objects(cache: Path) -> Iterator[tuple[str, Path]]:
    """(name, path) of each object; what DVC is writing just now has other names."""
    if not cache.is_dir():
        return
    for folder in sorted(os.scandir(cache), key=lambda entry: entry.name):
        if folder.is_dir() and _PREFIX.fullmatch(folder.name):
            for entry in sorted(os.scandir(folder.path), key=lambda entry: entry.name):
                if _OBJECT.fullmatch(entry.name):
                    yield folder.name + entry.name, Path(entry.path)


def _needed_by(recorded: Recorded, name: str) -> list[tuple[str, Output]]:
    """(file, output) of what is made of an object."""
    if name.endswith(DIRECTORY):
        return [(output.path, output) for output in recorded.outputs if output.digest == name]
    return [
        (path, output)
        for output in recorded.outputs
        for path, digest in (recorded.files(output) or {}).items()
        if digest == name
    ]


def _damaged(recorded: Recorded, name: str, path: Path, digest: str | None, needed: list[tuple[str, Output]]) -> Finding:
    shown = path.relative_to(recorded.root) if path.is_relative_to(recorded.root) else path
    content = "it can't be read" if digest is None else f"its content has the md5 {digest}"
    list_of = "the list of the files of " if name.endswith(DIRECTORY) else ""
    if not needed:
        what = f"damaged: {content}; expected the one that its name says. Nothing needs it: it is of an older build"
        return Finding(CHECK, "error", str(shown), what, "tensorline verify --fix removes it")
    users = _listed(file for file, _ in needed)
    what = f"damaged: {content}; expected the one that its name says. It is {list_of}{users}"
    again = needed[0][1].again
    fix = f"tensorline verify --fix takes the copy in the workspace if it is sound, else removes it; then: {again}"
    return Finding(CHECK, "error", str(shown), what, fix)


def _mend(finding: Finding, path: Path, copy: Path | None, *, needed: bool) -> Finding:
    if copy is not None and not (path.exists() and copy.samefile(path)):
        put_into_cache(copy, path)
        return replace(finding, done="replaced by the copy in the workspace", mended=True)
    path.unlink(missing_ok=True)
    if not needed:
        return replace(finding, done="removed", mended=True)
    return replace(finding, fix=f"bring it back: {finding.fix.rpartition('then: ')[2]}", done="removed")


def _listed(names: Iterable[str]) -> str:
    every = list(dict.fromkeys(names))
    more = f" and {len(every) - _MAX_NAMED} more" if len(every) > _MAX_NAMED else ""
    return ", ".join(every[:_MAX_NAMED]) + more
