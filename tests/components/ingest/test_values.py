import math

import pyarrow as pa
import pytest

from components.ingest.values import decode, infer, parse


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        ([], "missing"),
        ([None, None], "missing"),
        (["1", None, "-20"], "integer"),
        (["0", "-0", "10"], "integer"),
        (["0", "12.45"], "number"),
        (["1", "1e3"], "number"),
        (["0.5", ".5", "5.", "-0.25"], "number"),
        (["1.5", "inf", "NaN"], "number"),
        ([" 1", "2 ", None], "integer"),
        ([" 1.5", "2"], "number"),
        ([" 1", " "], "integer"),
        (["12,45", "1"], "string"),
        (["1", "x"], "string"),
        (["007", "8"], "string"),
        (["-007"], "string"),
        (["00.5"], "string"),
        (["0x1F", "3"], "string"),
        (["9223372036854775807", "-9223372036854775808"], "integer"),
        (["9223372036854775808"], "string"),
        (["12345678901234567890123", "1.5"], "string"),
        (["0.12345678901234567890123"], "number"),
        (["true", "false"], "string"),
        (["2024-01-31"], "string"),
        (["1_000"], "string"),
        (["١"], "string"),
    ],
)
def test_infer(texts, kind):
    assert infer(pa.array(texts, pa.string())) == kind


def test_infer_looks_at_every_value():
    assert infer(pa.array(["1"] * 10_000 + ["x"])) == "string"
    assert infer(pa.array(["1"] * 10_000 + ["1.5"])) == "number"


@pytest.mark.parametrize(
    ("known", "text", "kind"),
    [
        ("missing", "1", "integer"),
        ("number", "1", "number"),
        ("integer", "1.5", "number"),
        ("integer", "x", "string"),
        ("string", "1", "string"),
        ("integer", None, "integer"),
    ],
)
def test_infer_goes_on_from_what_is_known(known, text, kind):
    assert infer(pa.array([text], pa.string()), known) == kind


@pytest.mark.parametrize(
    ("kind", "texts", "values", "unreadable"),
    [
        ("integer", ["1", None, "-3"], [1, None, -3], None),
        ("integer", ["007"], [7], None),
        ("integer", ["1", "3.0", "+5", " 6 "], [1, 3, 5, 6], None),
        ("integer", ["1", "3.5", "x", "1e40", "9223372036854775808"], [1, None, None, None, None], [False] + [True] * 4),
        ("integer", ["0x1F", "1"], [None, 1], [True, False]),
        ("integer", [" ", "1"], [None, 1], None),
        ("number", ["1", "2.5", None, "inf"], [1.0, 2.5, None, math.inf], None),
        ("number", [" 2.5", "+1"], [2.5, 1.0], None),
        ("number", ["12,45", "1_0", "0x1F", "1"], [None, None, None, 1.0], [True, True, True, False]),
        ("string", [" a", None, "1"], [" a", None, "1"], None),
        ("missing", [None, None], [None, None], None),
    ],
)
def test_parse(kind, texts, values, unreadable):
    parsed, mask = parse(pa.array(texts, pa.string()), kind)
    assert parsed.to_pylist() == values
    assert (mask if mask is None else mask.to_pylist()) == unreadable


def test_decode():
    strings, undecodable = decode(
        pa.array(["café".encode(), None, "caf\U0010ffe9".encode(), "\U0010ff80".encode()]), marked=True
    )
    assert strings.to_pylist() == ["café", None, None, None]
    assert undecodable.to_pylist() == [False, None, True, True]
    assert decode(pa.array([b"x", None]), marked=True)[1] is None
    assert decode(pa.array(["\U0010ff80".encode()]), marked=False)[0].to_pylist() == ["\U0010ff80"]
