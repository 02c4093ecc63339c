"""Names of columns that a served model can take as names of its inputs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

_GOOD = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
WHY = (
    "The model's inputs are named as the columns, and TensorFlow takes letters without marks, digits and _ there. What "
    "follows uses the new names."
)


def renamed(names: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """Name → a better one, of the columns whose names are no good as those of a SavedModel's inputs.

    Args:
        names: Of the columns that stay.
        taken: Names that there are already.
    """
    used = {name.lower() for name in taken}
    result: dict[str, str] = {}
    for name in names:
        if _GOOD.fullmatch(name):
            continue
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
        base = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_") or "column"
        base = base if base[0].isalpha() else f"c_{base}"
        new, number = base, 1
        while new.lower() in used:
            number += 1
            new = f"{base}_{number}"
        used.add(new.lower())
        result[name] = new
    return result
