import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import ParamsError
from components.ingest.columns import Columns
from components.params.models import DataParams

HEADER = ["fare", "tips", "miles", "part", "when"]


def columns(header=HEADER, schema=None, **changes):
    return Columns(DataParams.model_validate({"path": "x.csv", "label": "tips", **changes}), header, schema)


def test_all_steps_in_order():
    made = columns(
        rename={"miles": "trip miles"},
        cast={"trip miles": "string"},
        derive={"big": "tips > 0.2 * fare", "bigger": "big == 1 and `trip miles` == 'x'"},
        drop=["tips", "fare"],
        label="big",
        split={"by": "column", "column": "part"},
    )
    assert made.features == ["big", "bigger", "trip miles", "when"]
    assert made.typed == ["fare", "tips", "trip miles", "when"]
    assert made.undeclared == ["fare", "tips", "when"]
    assert made.raw_names == {"fare": "fare", "tips": "tips", "trip miles": "miles", "part": "part", "when": "when"}
    assert made.kinds({"fare": "number", "tips": "integer", "when": "missing"}) == {
        "fare": "number",
        "tips": "integer",
        "when": "missing",
        "trip miles": "string",
        "big": "integer",
        "bigger": "integer",
    }


def test_the_schema_says_the_kinds():
    schema = text_format.Parse(
        "feature {name: 'fare' type: INT} feature {name: 'ratio' type: FLOAT} feature {name: 'part' type: BYTES}",
        schema_pb2.Schema(),
    )
    made = columns(schema=schema, derive={"ratio": "fare * 2"}, drop=["when", "miles"])
    assert made.undeclared == ["tips"]
    assert made.kinds({"tips": "number"}) == {
        "fare": "integer",
        "part": "string",
        "tips": "number",
        "ratio": "number",
    }


def test_names_can_be_swapped():
    assert columns(rename={"fare": "tips", "tips": "fare"}).raw_names["fare"] == "tips"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rename": {"far": "x"}}, "data.rename.far: no column 'far'. Did you mean 'fare'?"),
        (
            {"rename": {"miles": "fare"}},
            "data.rename: the columns 'fare' and 'miles' would both be named 'fare'. Expected different names.",
        ),
        ({"cast": {"mile": "number"}}, "data.cast.mile: no column 'mile'. Did you mean 'miles'?"),
        (
            {"rename": {"miles": "x"}, "cast": {"miles": "number"}},
            "data.cast.miles: no column 'miles'. It is renamed to 'x'.",
        ),
        (
            {"derive": {"x": "1"}, "cast": {"x": "number"}},
            "data.cast.x: a derived column has the kind of its expression. Remove the cast.",
        ),
        ({"derive": {"fare": "1"}}, "data.derive.fare: a column 'fare' exists already. Choose another name."),
        (
            {"derive": {"x": "tip > 1"}},
            "data.derive.x: no column 'tip', at character 1 of 'tip > 1'. Did you mean 'tips'?",
        ),
        (
            {"derive": {"x": "y + 1", "y": "1"}},
            "data.derive.x: no column 'y', at character 1 of 'y + 1'. The columns are fare, tips, miles, part, when.",
        ),
        ({"drop": ["zzz"]}, "data.drop: no column 'zzz'. The columns are fare, tips, miles, part, when."),
        ({"drop": ["tips"]}, "data.drop: 'tips' is the label. Remove it from the list."),
        ({"label": "tip"}, "data.label: no column 'tip'. Did you mean 'tips'?"),
        ({"allow_nonfinite": ["far"]}, "data.allow_nonfinite: no column 'far'. Did you mean 'fare'?"),
        ({"split": {"key": ["wen"]}}, "data.split.key: no column 'wen'. Did you mean 'when'?"),
        (
            {"split": {"by": "column", "column": "parts"}},
            "data.split.column: no column 'parts'. Did you mean 'part'?",
        ),
        (
            {"split": {"by": "column", "column": "tips"}},
            "data.split.column: 'tips' is the label. Expected another column.",
        ),
        (
            {"label": "tip", "drop": ["far"], "derive": {"x": "1 +"}},
            "data.derive.x: found the end, at character 4 of '1 +'. Expected a column, a number, a string in quotes or '('.\n"
            "data.drop: no column 'far'. Did you mean 'fare'?\n"
            "data.label: no column 'tip'. Did you mean 'tips'?",
        ),
        (
            {"header": ["fare;tips"]},
            "data.label: no column 'tips'. The header holds one column, 'fare;tips': is data.delimiter right?",
        ),
    ],
)
def test_mistakes_in_names(changes, message):
    with pytest.raises(ParamsError) as error:
        columns(**changes)
    assert str(error.value) == message


def test_mistakes_in_kinds():
    schema = text_format.Parse(
        "feature {name: 'fare' type: BYTES} feature {name: 'x' type: INT} feature {name: 'z' type: INT}", schema_pb2.Schema()
    )
    made = columns(
        schema=schema,
        cast={"fare": "number"},
        derive={"x": "fare / 2", "y": "part * 2", "z": "y + 1"},
        allow_nonfinite=["part"],
    )
    with pytest.raises(ParamsError) as error:
        made.kinds({"tips": "number", "miles": "number", "part": "string", "when": "string"})
    assert str(error.value) == (
        "data.cast.fare: number, but the reviewed schema says string. Expected the same. "
        "Remove the cast, or change the schema.\n"
        "data.derive.x: the expression gives number, but the reviewed schema says integer. Expected the same. "
        "Change the expression, or the schema.\n"
        "data.derive.y: * takes numbers, got 'part' is a string and an integer, at character 6 of 'part * 2'. "
        "Set data.cast for the column, or choose another operation.\n"
        "data.allow_nonfinite: column 'part' holds no decimal numbers. Remove it from the list."
    )
