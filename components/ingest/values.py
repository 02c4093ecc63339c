"""From text to typed columns: what kind a column is, and its values as that kind.

* integer: digits with an optional minus, within 64 bits;
* number: a decimal number, with or without exponent; `inf` and `nan` are numbers that the non-finite rule then judges;
* string: everything else. Codes with leading zeros (`007`) and digits beyond 64 bits stay strings, since as numbers they would
  not be what was written; so do dates, and `true` and `false`.

Whitespace around a number is ignored, and alone it is a missing number; in strings it is kept.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.kinds import ARROW_TYPES, Kind, coerce, unify
from components.ingest.source import MARKS

_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_LEADING_ZERO = r"^[+-]?0[0-9xX]"
_LONG_INTEGER = r"^[+-]?[0-9]+$"
_MOST_EXACT_FLOAT = 2**53
_NUM_TRIED = 256


def decode(raw: pa.Array, *, marked: bool) -> tuple[pa.Array, pa.Array | None]:
    """UTF-8 as strings.

    Args:
        raw: Binary, [records]; values of other types are left as they are.
        marked: See `source.Block`.

    Returns: The strings, missing where bytes were undecodable; and a mask of those, None if there are none.
    """
    if raw.type != pa.binary():
        return raw, None
    strings = raw.cast(pa.string())
    if not marked:
        return strings, None
    first, second = (pc.match_substring(raw, mark) for mark in MARKS)
    undecodable = pc.or_(first, second)
    if not pc.any(undecodable).as_py():
        return strings, None
    return pc.if_else(undecodable, pa.scalar(None, pa.string()), strings), undecodable


def infer(strings: pa.Array, known: Kind = "missing") -> Kind:
    """The kind that takes every value; `missing` if there is none.

    Args:
        strings: The values.
        known: What other values of the column need already; the answer takes those too.
    """
    values = strings.drop_null()
    if len(values) == 0 or known == "string":
        return known
    kind = _narrowest(values, known)
    if kind is None:
        trimmed = pc.utf8_trim_whitespace(values)
        # Comparing is much faster than trying again on a column of plain words.
        kind = None if trimmed.equals(values) else _narrowest(trimmed.filter(pc.not_equal(trimmed, "")), known)
    return unify([known, kind or "string"]) or "string"


def _narrowest(values: pa.Array, known: Kind) -> Kind | None:
    """Integer or number, string for what looks like a number and is a code, None if a value is no number."""
    kinds: tuple[Kind, ...] = ("number",) if known == "number" else ("integer", "number")
    for kind in kinds:
        try:
            # Arrow words an error for every value that it can't read: a few values first make failing cheap.
            pc.cast(values[:_NUM_TRIED], ARROW_TYPES[kind])
            pc.cast(values, ARROW_TYPES[kind])
        except pa.ArrowInvalid:
            continue
        return "string" if _holds_codes(values) else kind
    return None


def _holds_codes(values: pa.Array) -> bool:
    """Whether a value has leading zeros, or is an integer beyond 64 bits."""
    signed = pc.or_(pc.starts_with(values, "-0"), pc.starts_with(values, "+0"))
    zeros = values.filter(pc.or_(pc.starts_with(values, "0"), signed))
    if pc.any(pc.match_substring_regex(zeros, _LEADING_ZERO)).as_py():
        return True
    long = values.filter(pc.greater(pc.binary_length(values), 18))
    integers = long.filter(pc.match_substring_regex(long, _LONG_INTEGER))
    return any(not -(2**63) <= int(value) < 2**63 for value in integers.to_pylist())


def as_text(values: pa.Array) -> pa.Array:
    """Values of any kind as strings; a whole number has no decimal point."""
    return values if values.type == pa.string() else pc.cast(values, pa.string())


def key_text(values: pa.Array) -> pa.Array:
    """What a record's hash takes of the values: binary, [records], to the bit whatever the machine and the versions.

    Text is taken as it stands. Of numbers in a typed column whole ones give their digits, so that it doesn't matter whether
    the column is of integers or floats, and others the integer that has the same 64 bits.
    """
    if values.type == pa.binary():
        return values
    if values.type == pa.float64():
        whole = _as_integers(values)
        values = pc.if_else(pc.is_valid(whole), whole, values.view(pa.int64()))
    return pc.cast(pc.cast(values, pa.string()), pa.binary())


def parse(strings: pa.Array, kind: Kind) -> tuple[pa.Array, pa.Array | None]:
    """Strings, or typed values, as values of a kind. An integer may be written as `3.0`.

    Returns: The values, missing where the text can't be read; and a mask of those, None if there are none.
    """
    arrow_type = ARROW_TYPES[kind]
    if strings.type != pa.string():
        return _convert(strings, kind)
    if kind == "string":
        return strings, None
    if kind == "missing":
        return pa.nulls(len(strings)), None
    try:
        parsed = pc.cast(strings, arrow_type)
        if kind == "number" or not _holds_hexadecimal(strings):
            return parsed, None
    except pa.ArrowInvalid:
        pass  # Some value is unusual: read one by one, which takes more spellings and tells which can't be read.
    read = _read_integer if kind == "integer" else _read_number
    texts = [text and text.strip() for text in strings.to_pylist()]
    parsed = pa.array([read(text) if text else None for text in texts], arrow_type)
    unreadable = pc.and_(pa.array([bool(text) for text in texts]), pc.is_null(parsed))
    return parsed, unreadable if pc.any(unreadable).as_py() else None


def _convert(values: pa.Array, kind: Kind) -> tuple[pa.Array, pa.Array | None]:
    """`parse` for numbers."""
    if values.type == pa.float64() and kind == "integer":
        converted = _as_integers(values)
        unreadable = pc.and_(pc.is_valid(values), pc.is_null(converted))
        return converted, unreadable if pc.any(unreadable).as_py() else None
    return coerce(values, kind), None


def _as_integers(numbers: pa.Array) -> pa.Array:
    """Floats as integers, missing where they are no whole ones, or too large to be exact."""
    is_whole = pc.and_(pc.equal(pc.floor(numbers), numbers), pc.less_equal(pc.abs(numbers), _MOST_EXACT_FLOAT))
    return pc.if_else(is_whole, numbers, pa.scalar(None, pa.float64())).cast(pa.int64())


def _read_number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _read_integer(text: str) -> int | None:
    if _INTEGER.fullmatch(text):
        value = int(text)
    else:
        number = _read_number(text)
        if number is None or not number.is_integer() or abs(number) > _MOST_EXACT_FLOAT:
            return None
        value = int(number)
    return value if -(2**63) <= value < 2**63 else None


def _holds_hexadecimal(strings: pa.Array) -> bool:
    """Whether a value is written like 0x1F, which Arrow reads as an integer."""
    zeros = strings.filter(pc.starts_with(strings, "0"))
    return bool(pc.any(pc.match_substring_regex(zeros, "^0[xX]")).as_py())
