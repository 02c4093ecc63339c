"""The operations of expressions: which kinds each takes and gives, and how Arrow computes it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.kinds import Kind, unify


@dataclass(frozen=True)
class Operation:
    """What an operation takes and does.

    Attributes:
        result: Kinds of the operands → kind of the result, None where it does not take them.
        compute: Operands of the kinds that `common` gives → result.
        takes: The operands, in words.
        common: Kinds of the operands → kinds that they are cast to before.
        hint: How to mend a wrong kind.
    """

    result: Callable[[list[Kind]], Kind | None]
    compute: Callable[..., Any]
    takes: str
    common: Callable[[list[Kind]], list[Kind]]
    hint: str = "Set data.cast for the column, or choose another operation."


def _same(kinds: list[Kind]) -> list[Kind]:
    """All operands as the one kind that they share."""
    return [unify(kinds) or "missing"] * len(kinds)


def _all(*kinds: Kind) -> Callable[[list[Kind]], list[Kind]]:
    """All operands as `kinds`, the last of which repeats."""
    return lambda found: [*kinds, *[kinds[-1]] * (len(found) - len(kinds))][: len(found)]


def _numeric(kinds: list[Kind]) -> Kind | None:
    """Numbers give a number, integers alone an integer."""
    if any(kind not in ("integer", "number", "missing") for kind in kinds):
        return None
    return unify(kinds)


def _only(result: Kind, *taken: Kind) -> Callable[[list[Kind]], Kind | None]:
    return lambda kinds: result if all(kind in (*taken, "missing") for kind in kinds) else None


def _comparable(kinds: list[Kind]) -> Kind | None:
    return None if unify(kinds) is None else "boolean"


def _ordered(kinds: list[Kind]) -> Kind | None:
    return None if unify(kinds) in (None, "boolean") else "boolean"


def _plus(kinds: list[Kind]) -> Kind | None:
    return None if unify(kinds) == "boolean" else unify(kinds)


def _choice(kinds: list[Kind]) -> Kind | None:
    return unify(kinds[1:]) if kinds[0] in ("boolean", "missing") else None


def _nullify(result: Any, undefined: Any) -> Any:
    """The result, missing where it is undefined."""
    return pc.if_else(undefined, pa.scalar(None, result.type), result)


def _add(left: Any, right: Any) -> Any:
    if left.type == pa.string():
        return pc.binary_join_element_wise(left, right, "", null_handling="emit_null")
    return left if left.type == pa.null() else pc.add_checked(left, right)


def _arithmetic(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: left if left.type == pa.null() else compute(left, right)


def _divide(left: Any, right: Any) -> Any:
    return _nullify(pc.divide(left, right), pc.equal(right, 0.0))


def _modulo(left: Any, right: Any) -> Any:
    if left.type == pa.null():
        return left
    zero, one = pa.scalar(0, left.type), pa.scalar(1, left.type)
    undefined = pc.equal(right, zero)
    divisor = pc.if_else(undefined, one, right)
    quotient = pc.divide(left, divisor)
    if left.type == pa.float64():
        return _nullify(pc.subtract(left, pc.multiply(pc.floor(quotient), divisor)), undefined)
    rest = pc.subtract(left, pc.multiply(quotient, divisor))  # has the sign of `left`: Arrow truncates
    wrong_sign = pc.and_(pc.not_equal(rest, zero), pc.not_equal(pc.less(rest, zero), pc.less(divisor, zero)))
    return _nullify(pc.if_else(wrong_sign, pc.add(rest, divisor), rest), undefined)


def _unary(compute: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: value if value.type == pa.null() else compute(value)


def _is_in(value: Any, values: Any) -> Any:
    # Arrow answers false for a missing value; here it stays missing.
    return _nullify(pc.is_in(value, value_set=values), pc.is_null(value))


def _compare(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def compared(left: Any, right: Any) -> Any:
        if left.type == pa.null():
            return pc.cast(left, pa.bool_())
        return compute(left, right)

    return compared


def _extreme(compute: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: values[0] if values[0].type == pa.null() else compute(*values, skip_nulls=False)


def _booleans(compute: Callable[[Any, Any], Any]) -> Operation:
    return Operation(
        _only("boolean", "boolean"), compute, "conditions", _all("boolean"), "Compare with a value: x == 1 and y > 0."
    )


_TWO_NUMBERS = "numbers"
_COMPARED = "two values of one kind"

OPERATIONS: dict[str, Operation] = {
    "or": _booleans(pc.or_kleene),
    "and": _booleans(pc.and_kleene),
    "not": Operation(_only("boolean", "boolean"), pc.invert, "a condition", _all("boolean"), "Compare with a value first."),
    "==": Operation(_comparable, _compare(pc.equal), _COMPARED, _same),
    "!=": Operation(_comparable, _compare(pc.not_equal), _COMPARED, _same),
    "<": Operation(_ordered, _compare(pc.less), _COMPARED, _same),
    "<=": Operation(_ordered, _compare(pc.less_equal), _COMPARED, _same),
    ">": Operation(_ordered, _compare(pc.greater), _COMPARED, _same),
    ">=": Operation(_ordered, _compare(pc.greater_equal), _COMPARED, _same),
    "in": Operation(_ordered, _is_in, "a value and a list of its kind", _same),
    "is missing": Operation(lambda _: "boolean", pc.is_null, "anything", _same),
    "+": Operation(_plus, _add, "numbers, or strings", _same),
    "-": Operation(_numeric, _arithmetic(pc.subtract_checked), _TWO_NUMBERS, _same),
    "*": Operation(_numeric, _arithmetic(pc.multiply_checked), _TWO_NUMBERS, _same),
    "/": Operation(_only("number", "integer", "number"), _divide, _TWO_NUMBERS, _all("number")),
    "%": Operation(_numeric, _modulo, _TWO_NUMBERS, _same),
    "negate": Operation(_numeric, _unary(pc.negate_checked), "a number", _same),
    "abs": Operation(_numeric, _unary(pc.abs_checked), "a number", _same),
    "floor": Operation(_only("number", "integer", "number"), pc.floor, "a number", _all("number")),
    "log": Operation(
        _only("number", "integer", "number"),
        lambda value: _nullify(pc.ln(value), pc.less_equal(value, 0.0)),
        "a number",
        _all("number"),
    ),
    "sqrt": Operation(
        _only("number", "integer", "number"),
        lambda value: _nullify(pc.sqrt(value), pc.less(value, 0.0)),
        "a number",
        _all("number"),
    ),
    **{
        name: Operation(_only("number", "integer", "number"), compute, "a number", _all("number"))
        for name, compute in (
            ("sin", pc.sin),
            ("cos", pc.cos),
            ("radians", lambda value: pc.multiply(value, math.pi / 180)),
        )
    },
    "min": Operation(_numeric, _extreme(pc.min_element_wise), _TWO_NUMBERS, _same),
    "max": Operation(_numeric, _extreme(pc.max_element_wise), _TWO_NUMBERS, _same),
    "lower": Operation(_only("string", "string"), pc.utf8_lower, "a string", _all("string")),
    "if": Operation(
        _choice,
        pc.if_else,
        "a condition and two values of one kind",
        lambda kinds: ["boolean", *_same(kinds[1:])],
    ),
    "coalesce": Operation(unify, pc.coalesce, "values of one kind", _same),
}

FUNCTIONS: dict[str, tuple[int, float]] = {
    "abs": (1, 1),
    "floor": (1, 1),
    "log": (1, 1),
    "sqrt": (1, 1),
    "sin": (1, 1),
    "cos": (1, 1),
    "radians": (1, 1),
    "min": (2, float("inf")),
    "max": (2, float("inf")),
    "lower": (1, 1),
    "if": (3, 3),
    "coalesce": (2, float("inf")),
}
"""Name → least and most operands; all of them are in `OPERATIONS`."""
