"""What becomes of each column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import RecipeError
from recipes.tabular.params import Buckets, Hash, TransformParams, Vocabulary
from recipes.tabular.plan import Category, Cross, Number, Plan, make_plan

ROOT = Path(__file__).parents[3]
VOCABULARY = Vocabulary(kind="vocabulary")
SCHEMA = """
feature { name: "age" type: INT presence { min_fraction: 1.0 } }
feature { name: "income" type: FLOAT }
feature { name: "code" type: INT int_domain { is_categorical: true } }
feature { name: "hour" type: INT int_domain { min: 0 max: 23 is_categorical: true } }
feature { name: "member" type: INT bool_domain {} }
feature { name: "active" type: BYTES bool_domain { true_value: "Y" false_value: "N" } }
feature { name: "colour" type: BYTES domain: "colours" }
feature { name: "size" type: BYTES string_domain { value: "S" value: "L" } }
feature { name: "city" type: BYTES }
feature { name: "old" type: FLOAT lifecycle_stage: DEPRECATED }
feature { name: "empty" }
feature { name: "label" type: INT int_domain { min: 0 max: 1 } }
string_domain { name: "colours" value: "red" value: "blue" }
"""


def plan_of(params: dict[str, Any], schema: str = SCHEMA) -> Plan:
    return make_plan(text_format.Parse(schema, schema_pb2.Schema()), "label", TransformParams.model_validate(params))


def test_the_schema_decides() -> None:
    assert plan_of({}) == Plan(
        numbers=(
            Number("age", log=False, num_buckets=16, indicator=False),
            Number("income", log=False, num_buckets=16, indicator=True),
        ),
        categories=(
            Category("code", "code", VOCABULARY),
            Category("hour", "hour", range(24)),
            Category("member", "member", range(2)),
            Category("active", "active", ("N", "Y")),
            Category("colour", "colour", ("red", "blue")),
            Category("size", "size", ("S", "L")),
            Category("city", "city", VOCABULARY),
        ),
        crosses=(),
    )


def test_params_decide_otherwise() -> None:
    params = {
        "numeric": {"kind": "zscore"},
        "categorical": {"kind": "hash", "num_buckets": 10},
        "features": {
            "income": {"kind": "log"},
            "age": {"kind": "buckets", "num_buckets": 4},
            "hour": {"kind": "piecewise", "num_buckets": 8},
            "colour": {"kind": "vocabulary", "top_k": 1},
        },
        "ignore": ["member", "active", "size", "code"],
        "crosses": [["age", "city"]],
        "cross_buckets": 99,
        "missing_indicators": False,
    }
    age = Category("age", "age", Buckets(kind="buckets", num_buckets=4))
    city = Category("city", "city", Hash(kind="hash", num_buckets=10))
    plan = plan_of(params)
    assert plan == Plan(
        numbers=(
            Number("income", log=True, num_buckets=None, indicator=False),
            Number("hour", log=False, num_buckets=8, indicator=False),
        ),
        categories=(age, Category("colour", "colour", Vocabulary(kind="vocabulary", top_k=1)), city),
        crosses=(Cross("age_x_city", (age, city), 99),),
    )


def test_a_wide_domain_is_a_vocabulary() -> None:
    schema = 'feature { name: "zip" type: INT int_domain { min: 0 max: 99999 is_categorical: true } }'
    assert plan_of({}, schema).categories == (Category("zip", "zip", VOCABULARY),)


def test_names_are_safe_and_unique() -> None:
    columns = ["label ", "Numeric", "größe/cm", "gr?e cm", "年齢", "名"]
    schema = "".join(f'feature {{ name: "{column}" type: BYTES }}' for column in columns)
    names = {category.column: category.name for category in plan_of({}, schema).categories}
    assert names == {
        "label ": "label_2",
        "Numeric": "Numeric_2",
        "größe/cm": "gr_e_cm",
        "gr?e cm": "gr_e_cm_2",
        "年齢": "feature",
        "名": "feature_2",
    }


def test_all_mistakes_are_told_at_once() -> None:
    params = {
        "features": {
            "agee": {"kind": "zscore"},
            "label": {"kind": "hash"},
            "city": {"kind": "log"},
            "income": {"kind": "hash"},
        },
        "ignore": ["hour"],
        "crosses": [["hour", "age"], ["colour", "tow"]],
    }
    known = "age, income, code, hour, member, active, colour, size, city, empty"
    cannot_cross = (
        "is no category here, so it cannot be crossed. Give it the kind buckets, vocabulary or hash in transform.features."
    )
    with pytest.raises(RecipeError) as caught:
        plan_of(params)
    assert str(caught.value).splitlines() == [
        f"transform.features: the schema has no column 'agee'. Did you mean 'age'? Known: {known}.",
        "transform.features: 'label' is the label, which is no feature. Leave it out.",
        f"transform.crosses: the schema has no column 'tow'. Known: {known}.",
        "transform.features.income: kind hash does not fit a column of type FLOAT. Expected one of "
        "buckets, log, piecewise, zscore.",
        "transform.features.city: kind log does not fit a column of type BYTES. Expected one of hash, vocabulary.",
        f"transform.crosses: 'hour' {cannot_cross}",
        f"transform.crosses: 'age' {cannot_cross}",
    ]


SINGLE_MISTAKES = [
    (
        {"features": {"a": {"kind": "zscore"}}, "ignore": ["a"]},
        'feature { name: "a" type: INT } feature { name: "b" type: INT }',
        "transform.features.a: the column is also in transform.ignore. Name it in one of the two.",
    ),
    (
        {"ignore": ["a"]},
        'feature { name: "a" type: INT }',
        "transform.ignore: no column is left to learn from but the label 'label'. Ignore fewer columns.",
    ),
    (
        {},
        'feature { name: "a" type: STRUCT }',
        "transform: column 'a' has the type STRUCT. Expected FLOAT, INT or BYTES. Ignore the column.",
    ),
]


@pytest.mark.parametrize(("params", "schema", "message"), SINGLE_MISTAKES)
def test_a_mistake_is_told(params: dict[str, Any], schema: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        plan_of(params, schema)
    assert str(caught.value) == message


def test_taxi() -> None:
    schema = text_format.Parse((ROOT / "schemas/taxi.pbtxt").read_text(encoding="utf-8"), schema_pb2.Schema())
    ignore = TransformParams(ignore=["pickup_census_tract", "trip_start_timestamp"])
    plan = make_plan(schema, "big_tipper", ignore)
    # Few vocabularies: each costs Transform about a second.
    assert [category.column for category in plan.categories if isinstance(category.how, Vocabulary)] == [
        "dropoff_census_tract",
        "company",
    ]
    assert [number.column for number in plan.numbers if number.indicator] == [
        "pickup_latitude",
        "pickup_longitude",
        "dropoff_latitude",
        "dropoff_longitude",
        "trip_seconds",
    ]
