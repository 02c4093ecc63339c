"""The body of a predict request becomes arrays: TensorFlow Serving's row format (`instances`) and column format (`inputs`)."""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from components.ingest.expression import suggest
from components.serve.contract import ABSENT, Anomaly, Contract, shown
from components.serve.refusal import RefusalError, bad_request
from components.serve.signatures import EXAMPLES, RAW, Signature, Tensor

Format = Literal["instances", "inputs"]
_KEYS = ("signature_name", "instances", "inputs")
_MOST_SHOWN = 5
_EXPECTED_BODY = 'a JSON object as {"instances": [{"COLUMN": value, …}, …]} or {"inputs": {"COLUMN": [value, …], …}}'


@dataclass(frozen=True)
class Request:
    """What was asked.

    Attributes:
        signature: That shall answer.
        format: Which tells the shape of the answer.
        arrays: Input → array.
        num_rows: Of every array, where the signature goes by rows; else 1.
        anomalies: (column, anomaly) → values that the schema does not expect.
        raw: Whether the arrays are raw columns.
    """

    signature: Signature
    format: Format
    arrays: Mapping[str, np.ndarray]
    num_rows: int
    raw: bool
    anomalies: Counter[tuple[str, Anomaly]] = field(default_factory=Counter)


def parse(body: bytes, signatures: Mapping[str, Signature], contract: Contract) -> Request:
    """Reads the body.

    Without `signature_name`, `{"b64": …}` alone in place of a row is a serialized tf.Example for `serving_default`, as it is
    for TensorFlow Serving, and all else are raw columns for `serve_raw`.

    Args:
        body: JSON; NaN and Infinity are taken as TensorFlow Serving takes them.
        signatures: The model's, by name.
        contract: What raw columns may hold.

    Raises: RefusalError, saying where in the body what was found and what was expected.
    """
    content = _json(body)
    if type(content) is not dict:
        raise bad_request(f"the body: expected {_EXPECTED_BODY}, got {shown(content)}")
    for key in content:
        if key not in _KEYS:
            raise bad_request(f"the body: unknown key {key!r}. Expected one of: {', '.join(_KEYS)}")
    given: list[Format] = [key for key in ("instances", "inputs") if key in content]
    if len(given) != 1:
        found = "both instances and inputs" if given else "neither instances nor inputs"
        raise bad_request(f"the body: {found}. Expected one of them: {_EXPECTED_BODY}")
    (form,) = given
    value = content[form]
    name = content.get("signature_name") or _default_signature(value, form)
    if type(name) is not str or name not in signatures:
        known = ", ".join(sorted(signatures))
        raise bad_request(f"signature_name: the model has no signature {shown(name)}. Expected one of: {known}")
    signature = signatures[name]
    raw = signature.inputs.keys() == contract.columns.keys()
    if form == "instances":
        if type(value) is not list or not value:
            raise bad_request(f"instances: expected a list of at least one row, got {shown(value)}")
        return _of_rows(value, signature, contract, raw=raw)
    return _of_columns(value, signature, contract, raw=raw)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise bad_request(f"the body is no JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise bad_request(f"the body is no JSON: byte {error.start} is no UTF-8") from None
    except ValueError as error:  # an integer of thousands of digits
        raise bad_request(f"the body is no JSON that can be read: {error}") from None
    except RecursionError:
        raise bad_request("the body is no JSON that can be read: lists or objects are nested too deeply") from None


def _default_signature(value: Any, form: Format) -> str:
    rows = value if type(value) is list else [value]
    first = rows[0] if rows else None
    if type(first) is not dict:
        return RAW
    if first.keys() == {"b64"} or first.keys() == {"examples"}:
        return EXAMPLES
    return RAW


def _of_rows(rows: list[Any], signature: Signature, contract: Contract, *, raw: bool) -> Request:
    if not signature.by_rows:
        takes = ", ".join(f"{name}: {tensor}" for name, tensor in signature.inputs.items()) or "nothing"
        raise bad_request(f"instances: the signature {signature.name} does not go by rows. Expected inputs, of {takes}")
    anomalies: Counter[tuple[str, Anomaly]] = Counter()
    names = list(signature.inputs)
    others = contract.others if raw else frozenset()
    named = type(rows[0]) is dict and rows[0].keys() != {"b64"}
    if named:
        _check_keys(rows, names, others)
        columns = {name: [row.get(name, ABSENT) for row in rows] for name in names}
    elif len(names) == 1:
        columns = {names[0]: rows}
    else:
        raise bad_request(
            f"instances[0]: expected an object of columns, got {shown(rows[0])}. The columns are {', '.join(names)}"
        )

    def place(row: int, name: str) -> str:
        return f"instances[{row}].{name}" if named else f"instances[{row}]"

    if raw:
        _check_required(columns, contract, [f"instances[{row}]" for row in range(len(rows))] if named else ["instances"])
        arrays = _raw_arrays(columns, contract, place, anomalies)
    else:
        arrays = {}
        for name, values in columns.items():
            for row, value in enumerate(values):
                if value is ABSENT:
                    raise bad_request(f"instances[{row}]: no {name!r}, which the signature {signature.name} takes")
            arrays[name] = _tensor(values, signature.inputs[name], partial(place, name=name))
    return Request(signature, "instances", arrays, len(rows), raw, anomalies)


def _of_columns(value: Any, signature: Signature, contract: Contract, *, raw: bool) -> Request:
    names = list(signature.inputs)
    named = type(value) is dict and value.keys() != {"b64"}
    if named:
        _check_names("inputs", value.keys(), names, contract.others if raw else frozenset())
        columns = {name: value.get(name, ABSENT) for name in names}
    elif len(names) == 1:
        columns = {names[0]: value}
    else:
        raise bad_request(f"inputs: expected an object of columns, got {shown(value)}. The columns are {', '.join(names)}")

    def where(name: str) -> str:
        return f"inputs.{name}" if named else "inputs"

    anomalies: Counter[tuple[str, Anomaly]] = Counter()
    if raw:
        given = {name: values for name, values in columns.items() if values is not ABSENT}
        for name, values in given.items():
            if type(values) is not list or not values:
                raise bad_request(f"{where(name)}: expected a list of at least one value, got {shown(values)}")
        num_rows = _common_length({where(name): values for name, values in given.items()})
        filled = {name: given.get(name, [ABSENT] * num_rows) for name in names}
        _check_required(filled, contract, ["inputs"])
        arrays = _raw_arrays(filled, contract, lambda row, name: f"{where(name)}[{row}]", anomalies)
        return Request(signature, "inputs", arrays, num_rows, raw, anomalies)
    arrays = {}
    for name, tensor in signature.inputs.items():
        if columns[name] is ABSENT:
            raise bad_request(f"inputs: no {name!r}, which the signature {signature.name} takes")
        arrays[name] = _tensor(columns[name], tensor, partial(_cell, where(name)))
    num_rows = _common_length({where(name): array for name, array in arrays.items()}) if signature.by_rows else 1
    return Request(signature, "inputs", arrays, num_rows, raw)


def _cell(column: str, row: int) -> str:
    return f"{column}[{row}]"


def _common_length(columns: Mapping[str, Sequence[Any] | np.ndarray]) -> int:
    if not columns:
        raise bad_request("inputs: expected a list of at least one value a column, got no column")
    (first, values), *others = columns.items()
    for name, other in others:
        if len(other) != len(values):
            raise bad_request(f"{name}: {len(other):,} values, and {first} has {len(values):,}. Expected as many of each")
    return len(values)


def _check_keys(rows: list[Any], names: Sequence[str], others: frozenset[str]) -> None:
    """Raises a RefusalError if a row is no object, or has a key that nobody knows."""
    known = others.union(names)
    for row, value in enumerate(rows):
        if type(value) is not dict:
            raise bad_request(f"instances[{row}]: expected an object of columns, as instances[0] is, got {shown(value)}")
        if not value.keys() <= known:
            _check_names(f"instances[{row}]", value.keys(), names, others)


def _check_names(where: str, given: Any, names: Sequence[str], others: frozenset[str]) -> None:
    unknown = [name for name in given if name not in names and name not in others]
    if unknown:
        raise bad_request(*(f"{where}: unknown column {name!r}. {suggest(name, names)}" for name in unknown[:_MOST_SHOWN]))


def _check_required(columns: Mapping[str, Sequence[Any]], contract: Contract, where: Sequence[str]) -> None:
    problems = []
    if all(value is ABSENT for values in columns.values() for value in values[:1]):
        raise bad_request(f"{where[0]}: no column that the model takes. They are {', '.join(columns)}")
    for name, values in columns.items():
        column = contract.columns[name]
        if not (column.is_required or not column.may_be_null or column.shape != (1,)):
            continue
        row = next((row for row, value in enumerate(values) if value is ABSENT), None)
        if row is not None:
            may = column.may_be_null and column.shape == (1,)
            fix = "Give null if it is not known" if may else "The model needs a value"
            problems.append(f"{where[row] if len(where) > row else where[0]}: no column {name!r}, which is required. {fix}")
    if problems:
        raise bad_request(*problems[:_MOST_SHOWN])


def _raw_arrays(
    columns: Mapping[str, Sequence[Any]], contract: Contract, place: Any, anomalies: Counter[tuple[str, Anomaly]]
) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    problems: list[str] = []
    for name, column in contract.columns.items():
        values = columns[name]
        if column.kind in ("string", "bytes"):
            values = [_bytes(value, place(row, name)) if type(value) is dict else value for row, value in enumerate(values)]
        try:
            arrays[name] = column.convert(values, place, anomalies)
        except RefusalError as error:
            problems.append(str(error))
    if problems:
        raise bad_request(*problems[:_MOST_SHOWN])
    return arrays


def _bytes(value: dict[str, Any], where: str) -> bytes:
    """Of {"b64": "…"}."""
    encoded = value.get("b64")
    if type(encoded) is not str or len(value) != 1:
        raise bad_request(f'{where}: expected a string or {{"b64": "…"}}, got {shown(value)}')
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"{where}.b64: expected base64, got {shown(encoded)} ({error})") from None


def _tensor(value: Any, tensor: Tensor, place: Any) -> np.ndarray:
    """Nested lists as an array of the tensor's type and shape."""
    dtype = tensor.dtype.as_numpy_dtype
    if dtype is object:
        value = _strings(value, place, 0)
    elif dtype is not np.bool_ and _holds(value, (str, bool, dict, type(None))):
        raise bad_request(f"{place(0).partition('[')[0]}: expected numbers, {tensor}, got {shown(value)}")
    elif dtype is np.bool_ and _holds(value, (str, int, float, dict, type(None))):
        raise bad_request(f"{place(0).partition('[')[0]}: expected true or false, {tensor}, got {shown(value)}")
    try:
        array = np.array(value, dtype)
    except (TypeError, ValueError, OverflowError):
        raise bad_request(f"{place(0).partition('[')[0]}: expected {tensor}, got lists of different lengths") from None
    if not tensor.takes(array.shape):
        sizes = ", ".join(map(str, array.shape))
        raise bad_request(f"{place(0).partition('[')[0]}: expected {tensor}, got the shape [{sizes}]")
    return array


def _holds(value: Any, types: tuple[type, ...]) -> bool:
    if type(value) is list:
        return any(_holds(inner, types) for inner in value)
    return type(value) in types


def _strings(value: Any, place: Any, row: int, depth: int = 0) -> Any:
    if type(value) is list:
        return [_strings(inner, place, index if depth == 0 else row, depth + 1) for index, inner in enumerate(value)]
    if type(value) is dict:
        return _bytes(value, place(row))
    if type(value) is str:
        return value.encode(errors="replace")
    raise bad_request(f'{place(row)}: expected a string or {{"b64": "…"}}, got {shown(value)}')
