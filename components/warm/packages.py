"""Which packages are installed, and which code of the server's own: one whose libraries are out of date must not serve."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence

_SUFFIXES = (".dist-info", ".egg-info", ".egg-link", ".pth")


def fingerprint(path: Sequence[str]) -> str:
    """Digest of what installers leave behind in the folders of `path` (sys.path), of the interpreter, and of this room's code.

    Takes a few milliseconds. A library whose files are edited in place, without an installer, is not noticed.
    """
    digest = hashlib.sha256()
    folders = [folder for folder in path if os.path.basename(folder) in {"site-packages", "dist-packages"}]
    for folder in [*folders, os.path.dirname(os.path.abspath(__file__))]:
        try:
            with os.scandir(folder) as entries:
                found = sorted(
                    (entry.name, entry.stat().st_mtime_ns)
                    for entry in entries
                    if entry.name.endswith(_SUFFIXES if folder in folders else ".py")
                )
        except FileNotFoundError:
            found = []
        digest.update(repr((folder, found)).encode("utf-8", "surrogateescape"))
    digest.update(repr((sys.executable, os.stat(sys.executable).st_mtime_ns)).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
