"""Names of columns that a served model can take as names of its inputs.

`tf.saved_model.save` makes Python parameters of them: some names it refuses (signs, letters with
marks, Python's keywords, names that differ in case alone), others it changes without a word (`2mass` becomes `arg_2mass`).
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable

from components.errors import UserError

_GOOD = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
WHY = (
    "The model's inputs are named as the columns, and TensorFlow takes letters without marks, digits and _ there. What "
    "follows uses the new names."
)


def require_good(names: Collection[str]) -> None:
    """Raises: UserError with names to take instead, if any of `names` can't be that of an input."""
    better = renamed(names, names)
    if better:
        mapping = ", ".join(f"{_quoted(name)}: {new}" for name, new in better.items())
        raise UserError(
            f"{'a column' if len(better) == 1 else f'{len(better)} columns'} can't be taken by a served model under "
            f"{'this name' if len(better) == 1 else 'these names'}: {', '.join(repr(name) for name in better)}.\n"
            "The model's inputs are named as the columns, and TensorFlow takes letters without marks, digits and _ there, a "
            "letter first, no keyword of Python's, and no two names that differ in case alone.\n"
            f"Rename {'it' if len(better) == 1 else 'them'} in the pipeline's params.yaml (data: rename: {{{mapping}}}) and "
            "in its reviewed schema if there is one, or drop what the model is not to learn from (data.drop)."
        )


def renamed(names: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """Name → a better one, of the columns whose names are no good as those of a SavedModel's inputs.

    Args:
        names: Of the columns that stay.
        taken: Names that there are already.
    """
    used = {name.lower() for name in taken}
    seen: set[str] = set()
    result: dict[str, str] = {}
    for name in names:
        if _is_good(name) and name.lower() not in seen:
            seen.add(name.lower())
            continue
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
        base = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_") or "column"
        base = base if base[0].isalpha() else f"c_{base}"
        new, number = base, 1
        while new.lower() in used or not _is_good(new):
            number += 1
            new = f"{base}_{number}"
        used.add(new.lower())
        result[name] = new
    return result


def _is_good(name: str) -> bool:
    return _GOOD.fullmatch(name) is not None and name != "self" and not keyword.iskeyword(name)


def _quoted(name: str) -> str:
    """As a key of YAML's flow style."""
    return name if _is_good(name) else "'" + name.replace("'", "''") + "'"
