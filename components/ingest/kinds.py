"""The kinds of columns and values: what Arrow type each is, and which go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal["integer", "number", "string", "bytes", "boolean", "missing"]
"""`missing` is the kind of a column without any value: it goes with every other kind. `bytes` are encoded images. Only results
are `boolean`."""

ARROW_TYPES: dict[Kind, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "string": pa.string(),
    "bytes": pa.binary(),
    "boolean": pa.bool_(),
    "missing": pa.null(),
}


def kind_of(arrow_type: pa.DataType) -> Kind:
    """The kind that has this type."""
    return next(kind for kind, known in ARROW_TYPES.items() if known == arrow_type)


def unify(kinds: Sequence[Kind]) -> Kind | None:
    """The one kind that all of these can be taken as, or None."""
    found = set(kinds) - {"missing"}
    if len(found) < 2:
        return next(iter(found), "missing")
    return "number" if found == {"integer", "number"} else None


def coerce(value: Any, kind: Kind) -> Any:
    """An array or a scalar as `kind`, which `unify` allowed."""
    # Unsafe, because a safe cast refuses integers beyond 2**53, which a comparison with a number may well meet.
    return value if value.type == ARROW_TYPES[kind] else pc.cast(value, ARROW_TYPES[kind], safe=False)
