"""The language of data.derive: values against Python's own, whole messages, and expressions made at random."""

import math
import random

import pyarrow as pa
import pytest

from components.errors import ParamsError, UserError
from components.ingest.expression import Expression
from components.ingest.kinds import ARROW_TYPES

KINDS = {
    "fare": "number",
    "tips": "number",
    "seconds": "integer",
    "payment type": "string",
    "company": "string",
    "census": "missing",
}
ROWS = {
    "fare": [10.0, 0.0, None, -2.5],
    "tips": [2.5, 1.0, 3.0, 0.0],
    "seconds": [300, 0, 7, -7],
    "payment type": ["Cash", "Credit Card", None, "cash"],
    "company": ["A", None, "B", "C"],
    "census": [None] * 4,
}
COLUMNS = {name: pa.array(values, ARROW_TYPES[KINDS[name]]) for name, values in ROWS.items()}


def evaluate(text):
    expression = Expression(text, "data.derive.x")
    expression.check_names(list(KINDS))
    kind = expression.kind(KINDS)
    result = expression.evaluate(COLUMNS, 4)
    assert result.type == ARROW_TYPES[kind]
    return result.to_pylist()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("tips > 0.2 * fare", [True, True, None, True]),
        ("fare + tips * 2", [15.0, 2.0, None, -2.5]),
        ("(fare + tips) * 2", [25.0, 2.0, None, -5.0]),
        ("1 - 2 - 3", [-4] * 4),
        ("--2", [2] * 4),
        ("-seconds", [-300, 0, -7, 7]),
        ("tips / fare", [0.25, None, None, -0.0]),
        ("seconds / 2", [150.0, 0.0, 3.5, -3.5]),
        ("seconds % 4", [0, 0, 3, 1]),
        ("seconds % -4", [0, 0, -1, -3]),
        ("seconds % 0", [None] * 4),
        ("fare % 4", [2.0, 0.0, None, 1.5]),
        ("fare % 0", [None] * 4),
        ("seconds + 0.5", [300.5, 0.5, 7.5, -6.5]),
        ("company + '-' + `payment type`", ["A-Cash", None, None, "C-cash"]),
        ("`payment type` == 'Cash'", [True, False, None, False]),
        ("company < 'B'", [True, None, False, False]),
        ("`payment type` in ['Cash', \"Credit Card\"]", [True, True, None, False]),
        ("`payment type` not in ['Cash']", [False, True, None, True]),
        ("seconds in [-7, 0]", [False, True, False, True]),
        ("fare in [10, -2.5]", [True, False, None, True]),
        ("seconds in [7.0, 0.5]", [False, False, True, False]),
        ("company is missing", [False, True, False, False]),
        ("company is not missing", [True, False, True, True]),
        ("not company is missing", [True, False, True, True]),
        ("fare > 0 and tips > 2", [True, False, None, False]),
        ("fare > 0 or tips > 2", [True, False, True, False]),
        ("fare > 100 and tips > 100 or seconds == 7", [False, False, True, False]),
        ("if(fare > 0, fare, 0)", [10.0, 0.0, None, 0.0]),
        ("if(fare is missing, 'none', company)", ["A", None, "none", "C"]),
        ("coalesce(fare, 1)", [10.0, 0.0, 1.0, -2.5]),
        ("coalesce(company, `payment type`)", ["A", "Credit Card", "B", "C"]),
        ("abs(fare)", [10.0, 0.0, None, 2.5]),
        ("abs(seconds)", [300, 0, 7, 7]),
        ("floor(fare / 4)", [2.0, 0.0, None, -1.0]),
        ("log(fare)", [math.log(10), None, None, None]),
        ("sqrt(fare)", [math.sqrt(10), 0.0, None, None]),
        ("sin(radians(9 * fare))", [1.0, 0.0, None, math.sin(math.radians(-22.5))]),
        ("cos(seconds)", [math.cos(300), 1.0, math.cos(7), math.cos(7)]),
        ("min(fare, tips, 2)", [2.0, 0.0, None, -2.5]),
        ("max(seconds, 5)", [300, 5, 7, 5]),
        ("lower(`payment type`)", ["cash", "credit card", None, "cash"]),
        ("census > 3", [None] * 4),
        ("census + 1", [None] * 4),
        ("census + census", [None] * 4),
        ("census == census", [None] * 4),
        ("census % census", [None] * 4),
        ("-census", [None] * 4),
        ("min(census, census)", [None] * 4),
        ("log(census)", [None] * 4),
        ("lower(census)", [None] * 4),
        ("census in ['a']", [None] * 4),
        ("coalesce(census, 'x')", ["x"] * 4),
        ("not census", [None] * 4),
        ("if(census, 1, 2)", [None] * 4),
        ("seconds > 9007199254740993.0", [False] * 4),
        ("9007199254740993 > 0.5", [True] * 4),
        (r"'it\'s'", ["it's"] * 4),
        ("12", [12] * 4),
        ("1e3", [1000.0] * 4),
        (".5", [0.5] * 4),
    ],
)
def test_values(text, values):
    assert evaluate(text) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found the end, at character 1 of ''. Expected a column, a number, a string in quotes or '('."),
        ("fare +", "found the end, at character 7 of 'fare +'. Expected a column, a number, a string in quotes or '('."),
        ("fare tips", "found 'tips', at character 6 of 'fare tips'. Expected an operator or the end."),
        ("(fare", "found the end, at character 6 of '(fare'. Expected ')'."),
        ("fare = 3", "cannot read '=', at character 6 of 'fare = 3'. Compare with '=='."),
        ("fare & tips", "cannot read '&', at character 6 of 'fare & tips'. Write 'and', 'or' and 'not'."),
        ("'open", "cannot read \"'\", at character 1 of ''open'. The quote is never closed."),
        (
            "fare $ 2",
            "cannot read '$', at character 6 of 'fare $ 2'. Put a name with unusual characters in backticks: `my column`.",
        ),
        ("1 < fare < 3", "comparisons can't be chained, at character 10 of '1 < fare < 3'. Write a < b and b < c."),
        ("fare in 3", "found '3', at character 9 of 'fare in 3'. Expected a list in brackets."),
        ("fare in [tips]", "found 'tips', at character 10 of 'fare in [tips]'. Expected a number or a string in quotes."),
        (
            "fare in [1, 'a']",
            "the list mixes strings and numbers, at character 9 of 'fare in [1, 'a']'. List values of one kind.",
        ),
        ("fare is 3", "found '3', at character 9 of 'fare is 3'. Expected 'missing'."),
        ("not", "found the end, at character 4 of 'not'. Expected a column, a number, a string in quotes or '('."),
        ("fares * 2", "no column 'fares', at character 1 of 'fares * 2'. Did you mean 'fare'?"),
        (
            "zzz",
            "no column 'zzz', at character 1 of 'zzz'. The columns are fare, tips, seconds, payment type, company, census.",
        ),
        ("lg(fare)", "no function 'lg', at character 1 of 'lg(fare)'. Did you mean 'log'?"),
        (
            "exec('x')",
            "no function 'exec', at character 1 of 'exec('x')'. "
            "The functions are abs, floor, log, sqrt, sin, cos, radians, min, max, lower, if, coalesce.",
        ),
        ("log(fare, 2)", "log got 2 operands, at character 1 of 'log(fare, 2)'. Expected 1."),
        ("min(fare)", "min got 1 operands, at character 1 of 'min(fare)'. Expected 2 or more."),
        (
            "company > 3",
            "> takes two values of one kind, got 'company' is a string and an integer, at character 9 of 'company > 3'. "
            "Set data.cast for the column, or choose another operation.",
        ),
        (
            "company * 2",
            "* takes numbers, got 'company' is a string and an integer, at character 9 of 'company * 2'. "
            "Set data.cast for the column, or choose another operation.",
        ),
        (
            "fare and tips > 2",
            "and takes conditions, got 'fare' is a number and a condition, at character 6 of 'fare and tips > 2'. "
            "Compare with a value: x == 1 and y > 0.",
        ),
        (
            "(fare > 1) + 1",
            "+ takes numbers, or strings, got a condition and an integer, at character 12 of '(fare > 1) + 1'. "
            "Set data.cast for the column, or choose another operation.",
        ),
        ("(" * 5000 + "1", "the expression is nested too deeply. Split it into several columns."),
    ],
)
def test_mistakes(text, message):
    with pytest.raises(ParamsError) as error:
        evaluate(text)
    assert str(error.value) == f"data.derive.x: {message}"


def test_integers_that_overflow():
    with pytest.raises(UserError) as error:
        evaluate("9223372036854775807 + seconds")
    assert str(error.value) == (
        "data.derive.x: '9223372036854775807 + seconds': overflow. Expected results that fit 64 bits. "
        "Calculate with decimals (1.0 * ..), which have no such limit."
    )


def test_column_names():
    assert Expression("a + `b c` * a > if(d is missing, 1, 2)", "x").column_names() == ["a", "b c", "d"]


def _random_expression(rng, depth):
    """An expression over a, b (integers) and c (numbers), with the same in Python, where None stands for missing."""
    if depth == 0:
        name = rng.choice(["a", "b", "c", "literal"])
        if name == "literal":
            value = rng.choice([0, 1, 3, 0.5, 2.25])
            return str(value), lambda row, value=value: value
        return name, lambda row, name=name: row[name]
    (left_text, left), (right_text, right) = (_random_expression(rng, depth - 1) for _ in range(2))
    symbol = rng.choice(["+", "-", "*", "/", "%", "if", "min"])
    if symbol == "if":
        return (
            f"if({left_text} < {right_text}, {left_text}, {right_text})",
            lambda row: None if left(row) is None or right(row) is None else min(left(row), right(row)),
        )
    if symbol == "min":
        return (
            f"min({left_text}, {right_text})",
            lambda row: None if left(row) is None or right(row) is None else min(left(row), right(row)),
        )

    def compute(row):
        one, two = left(row), right(row)
        if one is None or two is None or (symbol in "/%" and two == 0):
            return None
        return {
            "+": lambda: one + two,
            "-": lambda: one - two,
            "*": lambda: one * two,
            "/": lambda: one / two,
            "%": lambda: one - math.floor(one / two) * two if isinstance(one, float) or isinstance(two, float) else one % two,
        }[symbol]()

    return f"({left_text} {symbol} {right_text})", compute


@pytest.mark.parametrize("seed", range(60))
def test_random_arithmetic_is_pythons(seed):
    rng = random.Random(seed)  # noqa: S311
    text, compute = _random_expression(rng, rng.randint(1, 4))
    rows = [
        {
            "a": rng.choice([None, *range(-5, 6)]),
            "b": rng.choice([None, *range(-5, 6)]),
            "c": rng.choice([None, -2.5, -1.0, 0.0, 0.125, 3.0]),
        }
        for _ in range(50)
    ]
    kinds = {"a": "integer", "b": "integer", "c": "number"}
    columns = {name: pa.array([row[name] for row in rows], ARROW_TYPES[kind]) for name, kind in kinds.items()}
    expression = Expression(text, "x")
    expected = [compute(row) for row in rows]
    result = expression.evaluate(columns, 50).to_pylist()
    assert [value is None for value in result] == [value is None for value in expected], text
    assert [value or 0 for value in result] == pytest.approx([value or 0 for value in expected], rel=1e-12), text
    assert expression.kind(kinds) in ("integer", "number")


@pytest.mark.parametrize("seed", range(200))
def test_random_text_never_crashes(seed):
    rng = random.Random(seed)  # noqa: S311
    pieces = [
        "fare",
        "company",
        "1",
        "'a'",
        "+",
        "-",
        "*",
        "(",
        ")",
        "and",
        "not",
        "is",
        "missing",
        "in",
        "[",
        "]",
        ",",
        "if",
        "<",
    ]
    text = " ".join(rng.choice(pieces) for _ in range(rng.randint(1, 8)))
    try:
        evaluate(text)
    except UserError as error:
        assert str(error).startswith("data.derive.x: ")  # noqa: PT017 (most of these texts are mistakes, not all)
