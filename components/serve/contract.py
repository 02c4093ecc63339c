"""What the raw columns of a request may hold: the model says which there are and of what kinds, the schema what values.

Images and texts are brought into the form that ingest gives them, so that what the model sees when it serves is what it saw
when it learned: images upright and as PNG or JPEG, texts in their normal form.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from components.ingest.image_codec import Limits, UnusableImageError, check
from components.ingest.kinds import Kind
from components.ingest.text_column import TextColumn
from components.params.models import DataParams, ImageParams
from components.serve.refusal import bad_request

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

Anomaly = Literal["missing", "domain", "range"]
"""What a value may be that the schema does not expect and the model answers all the same."""
Place = Callable[[int, str], str]
"""Where a value stands in the request, by its row and the name of its column."""
ABSENT: Any = object()
"""Stands where a row has no such key."""
_LARGEST_INTEGER = 2**53  # float64, as which serve_raw takes integers, holds every one up to it
_MOST_SHOWN = 5
_MOST_CHARS = 60
_EXPECTED = {
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "bytes": '{"b64": "…"} of an image',
}


@dataclass(frozen=True)
class Column:
    """One raw column that the model takes.

    Attributes:
        name: Its name.
        kind: What it holds; `bytes` are encoded images.
        shape: Of a row: (1,), or that of several numbers.
        dtype: NumPy's, in which the model takes it; object for strings.
        is_required: Whether a request must have it: the schema says that it is never missing. Its value may be null.
        may_be_null: Whether a value may be missing at all.
        domain: The strings that the schema lists; None if it lists none.
        is_open: Whether the schema allows a few others (`min_domain_mass` below 1).
        least, most: What numbers the schema expects.
        image: How large an image may be; None where there are none.
        text: How texts are normalised; None where they stay as they are.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    dtype: Any
    is_required: bool = False
    may_be_null: bool = True
    domain: frozenset[bytes] | None = None
    is_open: bool = False
    least: float = -math.inf
    most: float = math.inf
    image: Limits | None = None
    text: TextColumn | None = None

    def convert(self, values: Sequence[Any], place: Place, anomalies: Counter[tuple[str, Anomaly]]) -> np.ndarray:
        """The column as the model takes it, [rows, …]: NaN or "" for what is missing.

        Args:
            values: Of JSON, [rows]; `ABSENT` where there is none.
            place: Names a value in a message.
            anomalies: Counts what the schema does not expect.

        Raises: RefusalError for the first value that the model can't take.
        """
        if self.shape != (1,):
            return self._vectors(values, place)
        flat = [value[0] if type(value) is list and len(value) == 1 else value for value in values]
        if self.kind in ("string", "bytes"):
            return self._strings(flat, place, anomalies)
        return self._numbers(flat, place, anomalies)

    def _numbers(self, values: list[Any], place: Place, anomalies: Counter[tuple[str, Anomaly]]) -> np.ndarray:
        if not {type(value) for value in values} <= {int, float}:
            values = [self._number(value, row, place) for row, value in enumerate(values)]
        try:
            numbers = np.array(values, np.float64)
        except OverflowError:
            numbers = np.array([self._number(value, row, place) for row, value in enumerate(values)], np.float64)
        is_missing = np.isnan(numbers)
        with np.errstate(over="ignore"):
            column = numbers.astype(self.dtype)
        self._check(~(np.isfinite(column) | is_missing), values, place)
        if self.kind == "integer":
            with np.errstate(invalid="ignore"):
                self._check((numbers != np.floor(numbers)) & ~is_missing | (np.abs(numbers) > _LARGEST_INTEGER), values, place)
        self._count_missing(is_missing, place, anomalies)
        out_of_range = (numbers < self.least) | (numbers > self.most)
        if out_of_range.any():
            anomalies[self.name, "range"] += int(np.count_nonzero(out_of_range))
        return column.reshape(-1, 1)

    def _number(self, value: Any, row: int, place: Place) -> float:
        if value is None or value is ABSENT:
            return math.nan
        if type(value) is float:
            return value
        if type(value) is int and abs(value) <= 2**1023:
            return float(value)
        raise self._wrong(row, value, place)

    def _check(self, wrong: np.ndarray, values: Sequence[Any], place: Place) -> None:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise self._wrong(row, values[row], place)

    def _wrong(self, row: int, value: Any, place: Place) -> Exception:
        return bad_request(f"{place(row, self.name)}: expected {_EXPECTED[self.kind]}, got {shown(value)}")

    def _strings(self, values: list[Any], place: Place, anomalies: Counter[tuple[str, Anomaly]]) -> np.ndarray:
        column = np.empty(len(values), object)
        for row, value in enumerate(values):
            if type(value) is str and self.kind == "string":
                try:
                    column[row] = value.encode()
                except UnicodeEncodeError:  # half of a pair of surrogates
                    raise self._wrong(row, value, place) from None
            elif type(value) is bytes:
                column[row] = value
            elif value is None or value is ABSENT:
                column[row] = b""
            else:
                raise self._wrong(row, value, place)
        self._count_missing(column == b"", place, anomalies)
        if self.text is not None:
            column = self._normalised(column, place)
        if self.image is not None:
            for row, content in enumerate(column):
                column[row] = self._image(content, row, place)
        if self.domain is not None and not self.domain.issuperset(column):
            unknown = sum(value not in self.domain and value != b"" for value in column)
            if unknown:
                anomalies[self.name, "domain"] += unknown
        return column.reshape(-1, 1)

    def _normalised(self, column: np.ndarray, place: Place) -> np.ndarray:
        assert self.text is not None  # noqa: S101  for the type checker
        try:
            texts = pa.array([value.decode() for value in column], pa.string())
        except UnicodeError:
            raise bad_request(f"{place(0, self.name)}: expected texts of Unicode, got bytes that are no UTF-8") from None
        prepared = self.text.prepare(texts)
        for rule, mask in self.text.checks(prepared, self.name):
            if mask is not None:
                row = mask.to_pylist().index(True)
                problem = rule.problem.format(value=shown(texts[row].as_py()))
                raise bad_request(f"{place(row, self.name)}: {problem}. Expected {rule.expected}")
        return np.array(prepared.texts.cast(pa.binary()).to_pylist(), object)

    def _image(self, content: bytes, row: int, place: Place) -> bytes:
        assert self.image is not None  # noqa: S101  for the type checker
        try:
            return check(content, self.image).content
        except UnusableImageError as error:
            raise bad_request(f"{place(row, self.name)}: {error.problem}. Expected {error.expected}") from None

    def _vectors(self, values: Sequence[Any], place: Place) -> np.ndarray:
        rows = np.empty((len(values), *self.shape), self.dtype)
        expected = f"a list of {' × '.join(map(str, self.shape))} finite numbers"
        for row, value in enumerate(values):
            try:
                numbers = np.array(value, np.float64) if type(value) is list else np.empty(0)
            except (TypeError, ValueError, OverflowError):
                numbers = np.empty(0)
            if numbers.shape != self.shape or not np.isfinite(numbers.astype(self.dtype)).all():
                raise bad_request(f"{place(row, self.name)}: expected {expected}, got {shown(value)}")
            rows[row] = numbers
        return rows

    def _count_missing(self, is_missing: np.ndarray, place: Place, anomalies: Counter[tuple[str, Anomaly]]) -> None:
        if not is_missing.any():
            return
        if not self.may_be_null:
            row = int(np.flatnonzero(is_missing)[0])
            raise bad_request(f"{place(row, self.name)}: expected {_EXPECTED[self.kind]}, got none. The model needs a value")
        if self.is_required:
            anomalies[self.name, "missing"] += int(np.count_nonzero(is_missing))


class Contract:
    """What requests to one model may hold.

    Attributes:
        columns: Name → column that the model takes.
        others: Columns that the schema knows and the model does not take: a request may have them, and they are left out.

    Args:
        data: The pipeline's section `data`.
        schema: The reviewed schema, or the inferred one; None if there is none.
        kinds: Column that the model takes → its kind.
        specs: Column → its TensorSpec in `serve_raw`.
    """

    def __init__(
        self, data: DataParams, schema: schema_pb2.Schema | None, kinds: Mapping[str, Kind], specs: Mapping[str, Any]
    ) -> None:
        features = {} if schema is None else {feature.name: feature for feature in schema.feature}
        self.columns = {
            name: _column(name, kinds[name], specs[name], features.get(name), schema, data) for name in sorted(kinds)
        }
        self.others = frozenset(features) - set(kinds)

    def judge(self, anomalies: Mapping[tuple[str, Anomaly], int]) -> None:
        """Refuses values that the schema does not expect. Raises: RefusalError, naming all columns that have some."""
        problems = []
        for (name, anomaly), number in sorted(anomalies.items()):
            column = self.columns[name]
            if anomaly == "domain" and not column.is_open:
                known = ", ".join(value.decode(errors="replace") for value in sorted(column.domain or ()))
                problems.append(f"{name}: {_values(number)} out of the schema's domain. Expected one of: {known}")
            elif anomaly == "range":
                problems.append(f"{name}: {_values(number)} out of the schema's range. Expected {bounds(column)}")
            elif anomaly == "missing":
                problems.append(f"{name}: {_values(number)} missing. Expected one in every row, as the schema's presence says")
        if problems:
            raise bad_request(*problems[:_MOST_SHOWN])


def bounds(column: Column) -> str:
    """`at least 0`, `1 to 77`: what numbers the schema expects."""
    if column.least == -math.inf:
        return f"at most {column.most:.9g}"
    return f"at least {column.least:.9g}" if column.most == math.inf else f"{column.least:.9g} to {column.most:.9g}"


def shown(value: Any) -> str:
    """A value as JSON has it, cut short."""
    if value is ABSENT:
        return "none"
    if type(value) is bytes:
        return f"{len(value):,} bytes"
    text = json.dumps(value, ensure_ascii=False, default=lambda inner: f"{len(inner):,} bytes")
    text = text.encode(errors="backslashreplace").decode()  # half of a pair of surrogates
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}…"


def _values(number: int) -> str:
    return "1 value" if number == 1 else f"{number:,} values"


def _column(
    name: str,
    kind: Kind,
    spec: Any,
    feature: schema_pb2.Feature | None,
    schema: schema_pb2.Schema | None,
    data: DataParams,
) -> Column:
    shape, dtype = tuple(spec.shape[1:]), spec.dtype.as_numpy_dtype
    image = None
    if kind == "bytes":
        of_image = data.image_columns.get(name) or ImageParams()
        image = Limits(of_image.max_pixels, of_image.animated)
    text = TextColumn(name, data.text_columns[name]) if name in data.text_columns else None
    if feature is None or schema is None:
        return Column(name, kind, shape, dtype, may_be_null=image is None, image=image, text=text)
    least, most = -math.inf, math.inf
    domain = None
    info = feature.WhichOneof("domain_info")
    if info in ("int_domain", "float_domain") and kind in ("integer", "number"):
        limits = getattr(feature, info)
        least = float(limits.min) if limits.HasField("min") else least
        most = float(limits.max) if limits.HasField("max") else most
    elif info in ("string_domain", "domain") and kind == "string":
        named = {each.name: each for each in schema.string_domain}
        listed = feature.string_domain if info == "string_domain" else named.get(feature.domain)
        domain = None if listed is None else frozenset(value.encode() for value in listed.value)
    constraints = feature.distribution_constraints
    return Column(
        name,
        kind,
        shape,
        dtype,
        is_required=feature.presence.min_fraction >= 1.0,
        may_be_null=image is None and not feature.HasField("shape"),
        domain=domain,
        is_open=feature.HasField("distribution_constraints") and constraints.min_domain_mass < 1.0,
        least=least,
        most=most,
        image=image,
        text=text,
    )
