"""The expressions of `data.derive`: a small language over columns, evaluated a block at a time, never by Python.

    tips > 0.2 * fare
    if(`body mass` is missing, "unknown", lower(sex))
    payment_type in ["Cash", "Prcard"] and not (trip_miles / trip_seconds > 0.02)

* literals: `12`, `0.2`, `1e3`, `"text"` or `'text'` (a backslash takes the next character as it is)
* columns by name; a name with spaces, or one that is a keyword, stands in backticks
* `+ - * / %` on numbers (`/` gives a number, `%` has the sign of its right side), `+` also joins strings
* `== != < <= > >=`, of numbers or of strings; `in [..]`, `not in [..]`, `is missing`, `is not missing`
* `and`, `or`, `not`, parentheses
* `abs(x) floor(x) log(x) sqrt(x) sin(x) cos(x) radians(x) min(x, y, ..) max(x, y, ..)`
* `lower(s) if(condition, x, y) coalesce(x, y, ..)`

A missing operand makes the result missing; `and` and `or` answer where one side decides. Division by zero, the logarithm of
what is not positive and the root of a negative number are missing too. Every expression has one kind, known before any
record is read: integer, number, string or boolean (a derived boolean column is written as the integers 0 and 1).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import pyarrow as pa

from components.errors import ParamsError, UserError
from components.ingest.kinds import ARROW_TYPES, Kind, coerce, kind_of, unify
from components.ingest.operations import FUNCTIONS, OPERATIONS

_ARTICLED = {
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "bytes": "an image",
    "boolean": "a condition",
    "missing": "always missing",
}
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<quoted>`[^`]+`)
    | (?P<name>[^\W\d]\w*)
    | (?P<symbol>==|!=|<=|>=|[-+*/%<>()\[\],])
    | (?P<end>$)
    )""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS = {"and", "or", "not", "in", "is", "missing"}


@dataclass(frozen=True)
class Token:
    """A piece of the text; `kind` is a group of `_TOKEN` or `keyword`, `position` counts characters from 0."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True)
class Node:
    """One operation of the expression.

    Attributes:
        operation: A key of `OPERATIONS`, `column`, `literal` or `list`.
        operands: What it works on; for `column` none.
        value: Name of the column, or value of the literal; for `list` a tuple of values.
        position: Where it stands in the text, for messages.
    """

    operation: str
    operands: tuple[Node, ...]
    position: int
    value: Any = None

    def columns(self) -> Iterable[Node]:
        """The nodes that name columns, from left to right."""
        if self.operation == "column":
            yield self
        for operand in self.operands:
            yield from operand.columns()


class Expression:
    """A parsed expression.

    Example:
        >>> expression = Expression("tips > 0.2 * fare", where="data.derive.big_tipper")
        >>> expression.kind({"tips": "number", "fare": "number"})
        'boolean'

    Args:
        text: The expression.
        where: The key of params.yaml that holds it; starts every message.

    Raises:
        ParamsError: If the text can't be parsed.
    """

    def __init__(self, text: str, where: str) -> None:
        self.text = text
        self.where = where
        try:
            self._root = _Parser(self).parse()
        except RecursionError:
            raise ParamsError(f"{where}: the expression is nested too deeply. Split it into several columns.") from None

    def fail(self, problem: str, position: int, hint: str) -> NoReturn:
        """Raises a ParamsError that names the place in the text."""
        raise ParamsError(f"{self.where}: {problem}, at character {position + 1} of '{self.text}'. {hint}")

    def column_names(self) -> list[str]:
        """The columns that the expression reads, without repeats."""
        return list(dict.fromkeys(node.value for node in self._root.columns()))

    def check_names(self, known: Sequence[str]) -> None:
        """Raises a ParamsError if the expression reads a column that there is not."""
        for node in self._root.columns():
            if node.value not in known:
                self.fail(f"no column {node.value!r}", node.position, suggest(node.value, known))

    def kind(self, kinds: Mapping[str, Kind]) -> Kind:
        """The kind of the result, for columns of these kinds.

        Raises:
            ParamsError: If an operation does not take the kinds of its operands.
        """
        return self._kind(self._root, kinds)

    def evaluate(self, columns: Mapping[str, pa.Array], num_rows: int) -> pa.Array:
        """The result for each of `num_rows` records; columns have the types of `ARROW_TYPES`.

        Raises:
            UserError: If integers overflow 64 bits.
        """
        kinds: dict[str, Kind] = {name: kind_of(array.type) for name, array in columns.items()}
        try:
            result = self._evaluate(self._root, columns, kinds)
        except pa.ArrowInvalid as error:
            raise UserError(
                f"{self.where}: '{self.text}': {error}. Expected results that fit 64 bits. "
                "Calculate with decimals (1.0 * ..), which have no such limit."
            ) from error
        return result if isinstance(result, pa.Array) else pa.repeat(result, num_rows)

    def _kind(self, node: Node, kinds: Mapping[str, Kind]) -> Kind:
        if node.operation == "column":
            return kinds[node.value]
        if node.operation == "literal":
            return _literal_kind(node.value)
        if node.operation == "list":
            found = unify([_literal_kind(value) for value in node.value])
            if found is None:
                self.fail("the list mixes strings and numbers", node.position, "List values of one kind.")
            return found
        operation = OPERATIONS[node.operation]
        operand_kinds = [self._kind(operand, kinds) for operand in node.operands]
        result = operation.result(operand_kinds)
        if result is None:
            shown = " and ".join(
                f"'{operand.value}' is {_ARTICLED[kind]}" if operand.operation == "column" else _ARTICLED[kind]
                for operand, kind in zip(node.operands, operand_kinds, strict=True)
            )
            self.fail(f"{node.operation} takes {operation.takes}, got {shown}", node.position, operation.hint)
        return result

    def _evaluate(self, node: Node, columns: Mapping[str, pa.Array], kinds: Mapping[str, Kind]) -> Any:
        if node.operation == "column":
            return columns[node.value]
        if node.operation == "literal":
            return pa.scalar(node.value, ARROW_TYPES[_literal_kind(node.value)])
        if node.operation == "list":
            return pa.array(node.value, ARROW_TYPES[self._kind(node, kinds)])
        operation = OPERATIONS[node.operation]
        common = operation.common([self._kind(operand, kinds) for operand in node.operands])
        operands = [
            coerce(self._evaluate(operand, columns, kinds), kind) for operand, kind in zip(node.operands, common, strict=True)
        ]
        return operation.compute(*operands)


def suggest(name: str, known: Sequence[str]) -> str:
    """`Did you mean 'fare'?`, or what there is."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"The columns are {', '.join(known)}." if known else "There are no columns."


class _Parser:
    """Recursive descent, loosest binding first: or, and, not, comparison, sum, product, sign, atom."""

    def __init__(self, expression: Expression) -> None:
        self._fail = expression.fail
        self._tokens = self._tokenize(expression.text)
        self._next = 0

    def parse(self) -> Node:
        node = self._or()
        self._expect("end", "", "an operator or the end")
        return node

    def _tokenize(self, text: str) -> list[Token]:
        tokens: list[Token] = []
        position = 0
        while not tokens or tokens[-1].kind != "end":
            match = _TOKEN.match(text, position)
            if match is None:
                start = position + len(text[position:]) - len(text[position:].lstrip())
                self._fail(f"cannot read {text[start]!r}", start, _hint_for(text[start]))
            kind = str(match.lastgroup)
            found = match.group(kind)
            tokens.append(Token("keyword" if kind == "name" and found in _KEYWORDS else kind, found, match.start(kind)))
            position = match.end()
        return tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self, *texts: str) -> Token | None:
        """The next token if it is one of these symbols or keywords."""
        token = self._token
        if token.kind in ("symbol", "keyword") and token.text in texts:
            self._next += 1
            return token
        return None

    def _expect(self, kind: str, text: str, expected: str) -> Token:
        token = self._token
        if token.kind != kind or (text and token.text != text):
            found = "the end" if token.kind == "end" else repr(token.text)
            self._fail(f"found {found}", token.position, f"Expected {expected}.")
        self._next += 1
        return token

    def _binary(self, operand: Callable[[], Node], *symbols: str) -> Node:
        node = operand()
        while token := self._take(*symbols):
            node = Node(token.text, (node, operand()), token.position)
        return node

    def _or(self) -> Node:
        return self._binary(self._and, "or")

    def _and(self) -> Node:
        return self._binary(self._not, "and")

    def _not(self) -> Node:
        if token := self._take("not"):
            return Node("not", (self._not(),), token.position)
        return self._comparison()

    def _comparison(self) -> Node:
        node = self._sum()
        if token := self._take("==", "!=", "<", "<=", ">", ">="):
            node = Node(token.text, (node, self._sum()), token.position)
        elif token := self._take("is"):
            negated = self._take("not")
            self._expect("keyword", "missing", "'missing'")
            node = _negated(Node("is missing", (node,), token.position), negated)
        elif (token := self._token).text in ("in", "not") and token.kind == "keyword":
            negated = self._take("not")
            self._expect("keyword", "in", "'in'")
            node = _negated(Node("in", (node, self._list()), token.position), negated)
        if (token := self._token).kind == "symbol" and token.text in ("==", "!=", "<", "<=", ">", ">="):
            self._fail("comparisons can't be chained", token.position, "Write a < b and b < c.")
        return node

    def _list(self) -> Node:
        start = self._expect("symbol", "[", "a list in brackets")
        values = [self._literal()]
        while self._take(","):
            values.append(self._literal())
        self._expect("symbol", "]", "',' or ']'")
        return Node("list", (), start.position, tuple(values))

    def _literal(self) -> int | float | str:
        sign = -1 if self._take("-") else 1
        token = self._token
        if token.kind == "number":
            self._next += 1
            return sign * _number(token.text)
        if token.kind == "string" and sign == 1:
            self._next += 1
            return _unquote(token.text)
        self._expect("number", "", "a number or a string in quotes")
        raise AssertionError("unreachable")

    def _sum(self) -> Node:
        return self._binary(self._product, "+", "-")

    def _product(self) -> Node:
        return self._binary(self._sign, "*", "/", "%")

    def _sign(self) -> Node:
        if token := self._take("-"):
            return Node("negate", (self._sign(),), token.position)
        return self._atom()

    def _atom(self) -> Node:
        if self._take("("):
            node = self._or()
            self._expect("symbol", ")", "')'")
            return node
        token = self._token
        if token.kind == "number":
            self._next += 1
            return Node("literal", (), token.position, _number(token.text))
        if token.kind == "string":
            self._next += 1
            return Node("literal", (), token.position, _unquote(token.text))
        if token.kind == "quoted":
            self._next += 1
            return Node("column", (), token.position, token.text[1:-1])
        self._expect("name", "", "a column, a number, a string in quotes or '('")
        if self._take("("):
            return self._call(token)
        return Node("column", (), token.position, token.text)

    def _call(self, name: Token) -> Node:
        arity = FUNCTIONS.get(name.text)
        if arity is None:
            close = difflib.get_close_matches(name.text, FUNCTIONS, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"The functions are {', '.join(FUNCTIONS)}."
            self._fail(f"no function {name.text!r}", name.position, hint)
        operands: list[Node] = []
        if not self._take(")"):
            operands.append(self._or())
            while self._take(","):
                operands.append(self._or())
            self._expect("symbol", ")", "',' or ')'")
        least, most = arity
        if not least <= len(operands) <= most:
            expected = f"{least}" if least == most else f"{least} or more"
            self._fail(f"{name.text} got {len(operands)} operands", name.position, f"Expected {expected}.")
        return Node(name.text, tuple(operands), name.position)


def _negated(node: Node, negation: Token | None) -> Node:
    return node if negation is None else Node("not", (node,), negation.position)


def _hint_for(character: str) -> str:
    if character == "=":
        return "Compare with '=='."
    if character in "\"'`":
        return "The quote is never closed."
    if character in "&|!":
        return "Write 'and', 'or' and 'not'."
    return "Put a name with unusual characters in backticks: `my column`."


def _number(text: str) -> int | float:
    return int(text) if text.isdecimal() and int(text) < 2**63 else float(text)


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def _literal_kind(value: Any) -> Kind:
    return "string" if isinstance(value, str) else "integer" if isinstance(value, int) else "number"
