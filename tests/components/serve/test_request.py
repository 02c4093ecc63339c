"""Bodies of requests, read with the model that the pipeline penguins trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from components.params.models import DataParams
from components.serve.contract import Contract
from components.serve.refusal import RefusalError
from components.serve.request import Request, parse
from components.serve.served import Served
from components.serve.signatures import Tensor

GOOD = {
    "bill_depth_mm": 18.7,
    "bill_length_mm": 39,
    "body_mass_g": 3750.0,
    "flipper_length_mm": 181,
    "island": "Torgersen",
    "sex": "male",
}
NAMES = "bill_depth_mm, bill_length_mm, body_mass_g, flipper_length_mm, island, sex"
BODY = 'a JSON object as {"instances": [{"COLUMN": value, …}, …]} or {"inputs": {"COLUMN": [value, …], …}}'


@pytest.fixture
def read(served: Served) -> Callable[[Any], Request]:
    def run(body: Any) -> Request:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return parse(content, served.signatures, served.contract)

    return run


def without(*names: str, **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**GOOD, **changes}.items() if key not in names}


def test_rows_and_columns_are_the_same_arrays(read: Callable[[Any], Request]) -> None:
    rows = [GOOD, without("sex", bill_length_mm=None, body_mass_g=[4000]), {**GOOD, "species": "Adelie", "year": 2007}]
    by_rows = read({"instances": rows})
    by_columns = read({"inputs": {name: [row.get(name) for row in rows] for name in GOOD}})
    assert (by_rows.signature.name, by_rows.format, by_rows.num_rows, by_rows.raw) == ("serve_raw", "instances", 3, True)
    assert (by_columns.signature.name, by_columns.format, by_columns.num_rows) == ("serve_raw", "inputs", 3)
    assert {name: array.tolist() for name, array in by_rows.arrays.items()} == {
        "bill_depth_mm": [[pytest.approx(18.7)]] * 3,
        "bill_length_mm": [[39.0], [pytest.approx(np.nan, nan_ok=True)], [39.0]],
        "body_mass_g": [[3750.0], [4000.0], [3750.0]],
        "flipper_length_mm": [[181.0]] * 3,
        "island": [[b"Torgersen"]] * 3,
        "sex": [[b"male"], [b""], [b"male"]],
    }
    for name, array in by_rows.arrays.items():
        np.testing.assert_array_equal(by_columns.arrays[name], array)
        assert by_columns.arrays[name].dtype == array.dtype
    assert by_rows.anomalies == {}


def test_what_the_schema_does_not_expect_is_counted(read: Callable[[Any], Request]) -> None:
    rows = [without(island="Atlantis", bill_length_mm=1000), without(island=None), without(body_mass_g=1, sex="no")]
    assert read({"instances": rows}).anomalies == {
        ("island", "domain"): 1,
        ("island", "missing"): 1,
        ("bill_length_mm", "range"): 1,
        ("body_mass_g", "range"): 1,
        ("sex", "domain"): 1,
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is no JSON: line 1, column 1: Expecting value"),
        (b'{"instances": [}', "the body is no JSON: line 1, column 16: Expecting value"),
        (b'{"a": "\xff"}', "the body is no JSON: byte 7 is no UTF-8"),
        (b"[" * 100_000, "the body is no JSON that can be read: lists or objects are nested too deeply"),
        ([1], f"the body: expected {BODY}, got [1]"),
        ({"instance": []}, "the body: unknown key 'instance'. Expected one of: signature_name, instances, inputs"),
        ({}, f"the body: neither instances nor inputs. Expected one of them: {BODY}"),
        ({"instances": [GOOD], "inputs": {}}, f"the body: both instances and inputs. Expected one of them: {BODY}"),
        ({"instances": []}, "instances: expected a list of at least one row, got []"),
        ({"instances": GOOD | {}}, f"instances: expected a list of at least one row, got {json.dumps(GOOD)[:60]}…"),
        (
            {"signature_name": "serve", "instances": [GOOD]},
            'signature_name: the model has no signature "serve". Expected one of: explain_examples, serve_raw, '
            "serving_default, transform_labels",
        ),
        ({"instances": [GOOD, 5]}, "instances[1]: expected an object of columns, as instances[0] is, got 5"),
        ({"instances": [5]}, f"instances[0]: expected an object of columns, got 5. The columns are {NAMES}"),
        ({"instances": [{}]}, f"instances[0]: no column that the model takes. They are {NAMES}"),
        (
            {"instances": [GOOD, without("island", iland="Dream", mass=3)]},
            f"instances[1]: unknown column 'iland'. Did you mean 'island'?\ninstances[1]: unknown column 'mass'. "
            f"The columns are {NAMES}.",
        ),
        (
            {"instances": [GOOD, without("island")]},
            "instances[1]: no column 'island', which is required. Give null if it is not known",
        ),
        (
            {"instances": [GOOD, without(bill_length_mm="abc", sex=1), without(body_mass_g=True, bill_length_mm="x")]},
            'instances[1].bill_length_mm: expected a number, got "abc"\n'
            "instances[2].body_mass_g: expected a number, got true\n"
            "instances[1].sex: expected a string, got 1",
        ),
        (
            b'{"instances": [{"island": "Dream", "body_mass_g": Infinity}]}',
            "instances[0].body_mass_g: expected a number, got Infinity",
        ),
        ({"instances": [without(body_mass_g=1e39)]}, "instances[0].body_mass_g: expected a number, got 1e+39"),
        ({"instances": [without(body_mass_g=10**400)]}, f"instances[0].body_mass_g: expected a number, got 1{'0' * 59}…"),
        ({"instances": [without(body_mass_g=[1, 2])]}, "instances[0].body_mass_g: expected a number, got [1, 2]"),
        ({"instances": [without(sex={"b46": ""})]}, 'instances[0].sex: expected a string or {"b64": "…"}, got {"b46": ""}'),
        (
            {"instances": [without(sex={"b64": "a?"})]},
            'instances[0].sex.b64: expected base64, got "a?" (Only base64 data is allowed)',
        ),
        (b'{"instances": [{"island": "\\ud800"}]}', 'instances[0].island: expected a string, got "\\ud800"'),
        ({"inputs": [1]}, f"inputs: expected an object of columns, got [1]. The columns are {NAMES}"),
        ({"inputs": {}}, "inputs: expected a list of at least one value a column, got no column"),
        ({"inputs": {"island": "Dream"}}, 'inputs.island: expected a list of at least one value, got "Dream"'),
        (
            {"inputs": {"island": ["Dream"], "sex": ["male", "male"]}},
            "inputs.sex: 2 values, and inputs.island has 1. Expected as many of each",
        ),
        ({"inputs": {"islands": ["Dream"]}}, "inputs: unknown column 'islands'. Did you mean 'island'?"),
        (
            {"inputs": {"sex": ["male"]}},
            "inputs: no column 'island', which is required. Give null if it is not known",
        ),
        ({"inputs": {"island": ["Dream", 3]}}, "inputs.island[1]: expected a string, got 3"),
        (
            {"signature_name": "serving_default", "instances": [5]},
            'instances[0]: expected a string or {"b64": "…"}, got 5',
        ),
        (
            {"signature_name": "serving_default", "instances": [{"x": 1}]},
            "instances[0]: unknown column 'x'. The columns are examples.",
        ),
        (
            {"signature_name": "serving_default", "inputs": {"examples": [["a"]]}},
            "inputs.examples: expected string [any], got the shape [1, 1]",
        ),
    ],
)
def test_mistakes(read: Callable[[Any], Request], body: Any, message: str) -> None:
    with pytest.raises(RefusalError) as raised:
        read(body)
    assert (raised.value.status, str(raised.value)) == (400, message)


def test_serialized_examples(read: Callable[[Any], Request], b64: Callable[[bytes], dict[str, str]]) -> None:
    for body in (
        {"instances": [b64(b"\x00\xff"), b64(b"")]},
        {"instances": [{"examples": b64(b"\x00\xff")}, {"examples": b64(b"")}]},
        {"inputs": [b64(b"\x00\xff"), b64(b"")]},
        {"inputs": {"examples": [b64(b"\x00\xff"), b64(b"")]}, "signature_name": "serving_default"},
    ):
        asked = read(body)
        assert (asked.signature.name, asked.num_rows, asked.raw) == ("serving_default", 2, False)
        assert asked.arrays["examples"].tolist() == [b"\x00\xff", b""]


def contract(schema: str, columns: dict[str, tuple[str, Any, Any]], **data: Any) -> Contract:
    import tensorflow as tf
    from google.protobuf import text_format

    kinds: Any = {name: kind for name, (kind, _, _) in columns.items()}
    specs = {name: tf.TensorSpec([None, *shape], dtype) for name, (_, shape, dtype) in columns.items()}
    params = DataParams.model_validate({"path": "x.csv", "label": "y", **data})
    return Contract(params, text_format.Parse(schema, schema_pb2.Schema()), kinds, specs)


def reads(of: Contract, rows: list[Any]) -> Request:
    signature: Any = SimpleNamespace(name="serve_raw", inputs=dict.fromkeys(of.columns), by_rows=True)
    return parse(json.dumps({"instances": rows}).encode(), {"serve_raw": signature}, of)


def refused(of: Contract, rows: list[Any]) -> str:
    with pytest.raises(RefusalError) as raised:
        reads(of, rows)
    return str(raised.value)


def test_integers_and_shapes() -> None:
    import tensorflow as tf

    of = contract(
        'feature { name: "hour" type: INT int_domain { min: 0 max: 23 } shape { dim { size: 1 } } } '
        'feature { name: "area" type: INT int_domain { min: 1 } }',
        {"hour": ("integer", [1], tf.float64), "area": ("integer", [1], tf.float64), "past": ("number", [3], tf.float32)},
    )
    asked = reads(of, [{"hour": 23, "area": 0, "past": [1, 2, 3]}, {"hour": 4.0, "past": [1.5, 2, 3]}])
    assert asked.arrays["hour"].tolist() == [[23.0], [4.0]]
    assert asked.arrays["past"].tolist() == [[1.0, 2.0, 3.0], [1.5, 2.0, 3.0]]
    assert asked.anomalies == {("area", "range"): 1}
    row = {"hour": 1, "area": 1, "past": [1, 2, 3]}
    assert refused(of, [{**row, "hour": 1.5}]) == "instances[0].hour: expected an integer, got 1.5"
    assert refused(of, [{**row, "hour": 2**60}]) == f"instances[0].hour: expected an integer, got {2**60}"
    assert refused(of, [{**row, "hour": None}]) == (
        "instances[0].hour: expected an integer, got none. The model needs a value"
    )
    expected = "instances[0].past: expected a list of 3 finite numbers, got "
    for value, got in (([1, 2], "[1, 2]"), ([1, None, 3], "[1, null, 3]"), (5, "5"), ([[1], 2, 3], "[[1], 2, 3]")):
        assert refused(of, [{**row, "past": value}]) == expected + got
    assert refused(of, [{"area": 1}]) == (
        "instances[0]: no column 'hour', which is required. The model needs a value\n"
        "instances[0]: no column 'past', which is required. The model needs a value"
    )


def test_judging_by_the_schema() -> None:
    import tensorflow as tf

    of = contract(
        'string_domain { name: "ways" value: "Cash" value: "Card" } '
        'feature { name: "pay" type: BYTES domain: "ways" presence { min_fraction: 1.0 } } '
        'feature { name: "how" type: BYTES string_domain { value: "a" } distribution_constraints { min_domain_mass: 0.99 } } '
        'feature { name: "fare" type: FLOAT float_domain { max: 9.5 } }',
        {"pay": ("string", [1], tf.string), "how": ("string", [1], tf.string), "fare": ("number", [1], tf.float32)},
    )
    asked = reads(of, [{"pay": "Coin", "how": "b", "fare": 10}, {"pay": None, "how": "b", "fare": 11}])
    assert asked.anomalies == {
        ("pay", "domain"): 1,
        ("pay", "missing"): 1,
        ("how", "domain"): 2,
        ("fare", "range"): 2,
    }
    with pytest.raises(RefusalError) as raised:
        of.judge(asked.anomalies)
    assert str(raised.value) == (
        "fare: 2 values out of the schema's range. Expected at most 9.5\n"
        "pay: 1 value out of the schema's domain. Expected one of: Card, Cash\n"
        "pay: 1 value missing. Expected one in every row, as the schema's presence says"
    )
    of.judge(reads(of, [{"pay": "Cash", "how": "b", "fare": 1}]).anomalies)  # the schema allows a few others of `how`


def test_any_tensors() -> None:
    """A signature of the recipe's own, which takes something else than raw columns."""
    import tensorflow as tf

    of = contract("", {"fare": ("number", [1], tf.float32)})
    inputs = {"latent": Tensor(tf.float32, (None, 2)), "flag": Tensor(tf.bool, (None,))}
    signature: Any = SimpleNamespace(name="decode", inputs=inputs, by_rows=True)

    def read(**body: Any) -> Request:
        return parse(json.dumps({"signature_name": "decode", **body}).encode(), {"decode": signature}, of)

    rows = read(instances=[{"latent": [1, 2.5], "flag": True}, {"latent": [3, 4], "flag": False}])
    columns = read(inputs={"latent": [[1, 2.5], [3, 4]], "flag": [True, False]})
    for asked in (rows, columns):
        assert (asked.num_rows, asked.raw) == (2, False)
        assert asked.arrays["latent"].tolist() == [[1.0, 2.5], [3.0, 4.0]]
        assert asked.arrays["latent"].dtype == np.float32
        assert asked.arrays["flag"].tolist() == [True, False]
    for value, message in (
        ([[1, "a"]], 'inputs.latent: expected numbers, float32 [any, 2], got [[1, "a"]]'),
        ([[1, 2], [3]], "inputs.latent: expected float32 [any, 2], got lists of different lengths"),
        ([[1, 2, 3]], "inputs.latent: expected float32 [any, 2], got the shape [1, 3]"),
        ([[1, 2]], "inputs.flag: 2 values, and inputs.latent has 1. Expected as many of each"),
    ):
        with pytest.raises(RefusalError) as raised:
            read(inputs={"latent": value, "flag": [True, False]})
        assert str(raised.value) == message
    with pytest.raises(RefusalError) as raised:
        read(instances=[{"latent": [1, 2]}])
    assert str(raised.value) == "instances[0]: no 'flag', which the signature decode takes"
    signature.by_rows = False
    with pytest.raises(RefusalError) as raised:
        read(instances=[{}])
    assert str(raised.value) == (
        "instances: the signature decode does not go by rows. Expected inputs, of latent: float32 [any, 2], flag: bool [any]"
    )


def test_texts_and_images_are_brought_into_the_form_of_ingest(b64: Callable[[bytes], dict[str, str]]) -> None:
    import io

    import tensorflow as tf
    from PIL import Image

    def picture(kind: str, size: tuple[int, int] = (2, 3)) -> bytes:
        out = io.BytesIO()
        Image.new("RGB", size, (255, 0, 0)).save(out, kind)
        return out.getvalue()

    of = contract(
        "",
        {"text": ("string", [1], tf.string), "image": ("bytes", [1], tf.string)},
        texts={"text": {"max_chars": 5}},
        images={"image": {"max_pixels": 10}},
    )
    png = picture("PNG")
    asked = reads(of, [{"text": "e\u0301a", "image": b64(png)}, {"text": "b", "image": b64(picture("BMP"))}])
    assert asked.arrays["text"].tolist() == [["éa".encode()], [b"b"]]
    kept, converted = asked.arrays["image"][:, 0]
    assert kept == png
    assert Image.open(io.BytesIO(converted)).format == "PNG"
    good = {"text": "a", "image": b64(png)}
    assert refused(of, [good, {**good, "text": " "}]) == (
        "instances[1].text: the text is empty, or white space alone. Expected a text in every record"
    )
    assert refused(of, [{**good, "text": "abcdef"}]) == (
        "instances[0].text: the text is too long. Expected at most 5 characters, data.texts.text.max_chars"
    )
    assert refused(of, [{**good, "image": b64(png[:40])}]) == (
        "instances[0].image: the file is truncated. Expected an image that decodes to its end"
    )
    assert refused(of, [{**good, "image": b64(picture("PNG", (4, 3)))}]) == (
        "instances[0].image: the image has 4 × 3 pixels. Expected at most 10, as max_pixels of data.images says"
    )
    assert refused(of, [{**good, "image": "iVBOR"}]) == ('instances[0].image: expected {"b64": "…"} of an image, got "iVBOR"')
    assert refused(of, [{**good, "image": None}]) == (
        'instances[0].image: expected {"b64": "…"} of an image, got none. The model needs a value'
    )
