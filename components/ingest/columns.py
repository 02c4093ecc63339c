"""Which columns there are, from the file's header to the features: renamed, cast, derived, dropped.

All mistakes of `data` that the header reveals are told at once; those that need the columns' kinds, once these are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from components.errors import ParamsError
from components.ingest.expression import Expression, suggest
from components.ingest.image_column import IMAGE_MEASURES
from components.ingest.kinds import Kind
from components.ingest.text_column import TEXT_MEASURES
from components.params.models import ColumnSplit, DataParams, HashSplit, TimeSplit

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2


def schema_kinds(schema: schema_pb2.Schema | None) -> dict[str, Kind]:
    """Feature → kind, as the reviewed schema says."""
    from tensorflow_metadata.proto.v0 import schema_pb2

    by_type: dict[int, Kind] = {schema_pb2.INT: "integer", schema_pb2.FLOAT: "number", schema_pb2.BYTES: "string"}
    features = schema.feature if schema is not None else []
    return {
        feature.name: "bytes" if feature.HasField("image_domain") else by_type[feature.type]
        for feature in features
        if feature.type in by_type
    }


class Columns:
    """The columns of one pipeline.

    Attributes:
        raw_names: Name → name in the file, of every column of the files.
        expressions: Name → expression, of every derived column, in order.
        thinning: The conditions of `data.thin`, each with the fraction that is kept.
        measured: Name → kind, of what is measured of the columns of texts and images.
        features: Names of the columns that examples have, the label among them, sorted.
        typed: File columns whose values are needed as their kind.
        undeclared: Those of `typed` whose kind neither `data.cast` nor the schema says: it is inferred.

    Args:
        data: The parameters.
        header: Names in the files.
        schema: The reviewed schema, or None.

    Raises:
        ParamsError: With a line for each mistake in `data`.
    """

    def __init__(self, data: DataParams, header: Sequence[str], schema: schema_pb2.Schema | None) -> None:
        self._data = data
        self._header = list(header)
        self._schema_kinds = schema_kinds(schema)
        self._problems: list[str] = []
        self.raw_names = self._rename()
        self.expressions = self._derive()
        self.thinning = self._thin()
        self.measured = self._measure()
        self._known = [*self.raw_names, *self.expressions, *self.measured]
        self._check_names()
        split_column = data.split.column if isinstance(data.split, ColumnSplit) else None
        self._times = data.windows.time if data.windows is not None else []
        if data.windows is not None:
            self.features = sorted({*data.windows.inputs, *data.windows.targets})
        else:
            self.features = sorted(
                set(self._known) - {*data.drop, split_column} | ({data.label} if data.label is not None else set())
            )
        self._raise_problems()
        conditions = [condition for condition, _ in self.thinning]
        read = {name for each in (*self.expressions.values(), *conditions) for name in each.column_names()}
        needed = {
            *self.features,
            *read,
            *data.text_columns,
            *data.image_columns,
            *self._times,
            *([data.split.column] if isinstance(data.split, TimeSplit) else []),
        }
        self.typed = [name for name in self.raw_names if name in needed]
        # The text that tells a time must stay as it stands there.
        declared = {*data.cast, *self._schema_kinds, *data.text_columns, *data.image_columns, *self._times}
        self.undeclared = [name for name in self.typed if name not in declared]

    def kinds(self, inferred: Mapping[str, Kind]) -> dict[str, Kind]:
        """The kind of every column of `typed` and of every derived one.

        Args:
            inferred: The kinds of `undeclared`.

        Raises:
            ParamsError: With a line for each mistake in `data`.
        """
        kinds: dict[str, Kind] = {**inferred}
        for name in self.typed:
            if name not in inferred:
                kinds[name] = self._declared_kind(name)
        for name, expression in self.expressions.items():
            kinds[name] = self._derived_kind(name, expression, kinds)
        for condition, _ in self.thinning:
            self._check_condition(condition, kinds)
        kinds.update(self.measured)
        if self._data.windows is not None:
            self._check_numbers("inputs", self._data.windows.inputs, kinds)
            self._check_numbers("targets", self._data.windows.targets, kinds)
        for name in self._data.allow_nonfinite:
            if kinds.get(name, "string") not in ("number", "missing"):
                self._problems.append(
                    f"data.allow_nonfinite: column {name!r} holds no decimal numbers. Remove it from the list."
                )
        self._raise_problems()
        return kinds

    def _rename(self) -> dict[str, str]:
        names = {name: name for name in self._header}
        for old, new in self._data.rename.items():
            if old not in self._header:
                self._problem(f"data.rename.{old}: no column {old!r}. {suggest(old, self._header)}")
            else:
                names[old] = new
        raw_names: dict[str, str] = {}
        for raw, name in names.items():
            if name in raw_names:
                self._problem(
                    f"data.rename: the columns {raw_names[name]!r} and {raw!r} would both be named {name!r}. "
                    "Expected different names."
                )
            raw_names[name] = raw
        return raw_names

    def _derive(self) -> dict[str, Expression]:
        expressions: dict[str, Expression] = {}
        for name, text in self._data.derive.items():
            where = f"data.derive.{name}"
            if name in self.raw_names:
                self._problem(f"{where}: a column {name!r} exists already. Choose another name.")
            try:
                expression = Expression(text, where)
                expression.check_names([*self.raw_names, *expressions])
            except ParamsError as error:
                self._problem(str(error))
                expression = Expression("0", where)  # so that what builds on it is checked too
            expressions[name] = expression
        return expressions

    def _thin(self) -> list[tuple[Expression, float]]:
        thinning = []
        for text, fraction in self._data.thin.items():
            try:
                condition = Expression(text, "data.thin")
                condition.check_names([*self.raw_names, *self.expressions])
            except ParamsError as error:
                self._problem(str(error))
                continue
            thinning.append((condition, fraction))
        return thinning

    def _measure(self) -> dict[str, Kind]:
        measured: dict[str, Kind] = {}
        for section, columns, measures in (
            ("texts", self._data.text_columns, TEXT_MEASURES),
            ("images", self._data.image_columns, IMAGE_MEASURES),
        ):
            for column in columns:
                for suffix, kind in measures.items():
                    name = f"{column}_{suffix}"
                    if name in self.raw_names or name in self.expressions:
                        self._problem(
                            f"data.{section}.{column}: the measured column {name!r} exists already. "
                            "Rename the one in the files (data.rename)."
                        )
                    measured[name] = kind
        return measured

    def _check_names(self) -> None:
        data = self._data
        for name in data.cast:
            if name in self.expressions:
                self._problem(f"data.cast.{name}: a derived column has the kind of its expression. Remove the cast.")
            else:
                self._check_known(f"data.cast.{name}", [name], list(self.raw_names))
        self._check_known("data.drop", data.drop, self._known)
        self._check_known("data.allow_nonfinite", data.allow_nonfinite, self._known)
        if data.windows is not None:
            self._check_known("data.windows.time", data.windows.time, list(self.raw_names))
            self._check_known("data.windows.inputs", data.windows.inputs, self._known)
            self._check_known("data.windows.targets", data.windows.targets, self._known)
        elif data.label is not None:
            self._check_known("data.label", [data.label], self._known)
        self._check_known("data.images", list(data.images), list(self.raw_names))
        self._check_known("data.texts", list(data.texts), list(self.raw_names))
        if data.label in data.drop:
            self._problem(f"data.drop: {data.label!r} is the label. Remove it from the list.")
        if isinstance(data.split, HashSplit):
            self._check_known("data.split.key", data.split.key, self._known)
        elif isinstance(data.split, ColumnSplit | TimeSplit):
            self._check_known("data.split.column", [data.split.column], self._known)
            if isinstance(data.split, ColumnSplit) and data.split.column == data.label:
                self._problem(f"data.split.column: {data.label!r} is the label. Expected another column.")

    def _check_numbers(self, key: str, names: Sequence[str], kinds: Mapping[str, Kind]) -> None:
        for name in names:
            if kinds[name] not in ("integer", "number"):
                found = "holds no value" if kinds[name] == "missing" else f"is of the kind {kinds[name]}"
                self._problem(
                    f"data.windows.{key}: column {name!r} {found}. Expected numbers. Name another column, or cast it."
                )

    def _check_known(self, where: str, names: Sequence[str], known: Sequence[str]) -> None:
        for name in names:
            if name in known:
                continue
            if name in self._data.rename:
                hint = f"It is renamed to {self._data.rename[name]!r}."
            elif len(self._header) == 1 and self._data.format == "csv":
                hint = f"The header holds one column, {self._header[0]!r}: is data.delimiter right?"
            else:
                hint = suggest(name, known)
            self._problem(f"{where}: no column {name!r}. {hint}")

    def _declared_kind(self, name: str) -> Kind:
        if name in self._times:
            return "string"
        cast, reviewed = self._data.cast.get(name), self._schema_kinds.get(name)
        if name in self._data.image_columns:
            if cast or reviewed not in (None, "string", "bytes"):
                self._problem(
                    f"data.images.{name}: the column holds images; no cast or schema can make it {cast or reviewed}."
                )
            return "bytes"
        if cast and reviewed and cast != reviewed and name in self.features:
            self._problem(
                f"data.cast.{name}: {cast}, but the reviewed schema says {reviewed}. Expected the same. "
                "Remove the cast, or change the schema."
            )
        return cast or reviewed or "string"

    def _derived_kind(self, name: str, expression: Expression, kinds: Mapping[str, Kind]) -> Kind:
        try:
            kind = expression.kind(kinds)
        except ParamsError as error:
            self._problem(str(error))
            return "missing"  # so that what builds on it is checked too
        if kind == "boolean":
            kind = "integer"
        reviewed = self._schema_kinds.get(name, kind)
        if kind not in (reviewed, "missing") and (kind, reviewed) != ("integer", "number"):
            self._problem(
                f"data.derive.{name}: the expression gives {kind}, but the reviewed schema says {reviewed}. Expected the "
                "same. Change the expression, or the schema."
            )
        return reviewed

    def _check_condition(self, condition: Expression, kinds: Mapping[str, Kind]) -> None:
        try:
            kind = condition.kind(kinds)
        except ParamsError as error:
            self._problem(str(error))
            return
        if kind not in ("boolean", "missing"):
            self._problem(
                f"{condition.where}: '{condition.text}' gives {kind}, which is no condition. Compare with a value, as in "
                f"'{condition.text} == 1'."
            )

    def _problem(self, problem: str) -> None:
        self._problems.append(problem)

    def _raise_problems(self) -> None:
        if self._problems:
            raise ParamsError("\n".join(self._problems))
