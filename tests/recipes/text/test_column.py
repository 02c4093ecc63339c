"""Which column is the text."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import RecipeError
from recipes.text.column import text_column

TEXT = 'feature {{ name: "{}" type: BYTES natural_language_domain {{}} }}'
REST = """
feature { name: "label" type: BYTES string_domain { value: "a" value: "b" } }
feature { name: "count" type: INT }
feature { name: "code" type: BYTES }
"""


def choose(name: str | None, *texts: str) -> str:
    schema = "".join(TEXT.format(text) for text in texts) + REST
    return text_column(text_format.Parse(schema, schema_pb2.Schema()), name, "label")


def test_the_only_text_is_taken() -> None:
    assert choose(None, "review") == "review"


def test_a_column_can_be_named() -> None:
    assert (choose("title", "review", "title"), choose("code")) == ("title", "code")


@pytest.mark.parametrize(
    ("name", "texts", "message"),
    [
        (
            None,
            [],
            "transform.text: the schema marks no column as a text. Expected one. Name the column, or give it "
            "`natural_language_domain {}` in the schema.",
        ),
        (
            None,
            ["review", "title"],
            "transform.text: the schema marks 2 columns as texts (review, title). Expected one. Name one of them.",
        ),
        (
            "reviews",
            ["review"],
            "transform.text: the schema has no column 'reviews'. Did you mean 'review'? Texts: review.",
        ),
        ("x", [], "transform.text: the schema has no column 'x'. Texts: none."),
        ("count", ["review"], "transform.text: the column 'count' has the type INT. Expected BYTES. Texts: review."),
        ("label", ["review"], "transform.text: 'label' is the label, which is no feature. Texts: review."),
    ],
)
def test_no_text_to_take(name: str | None, texts: list[str], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        choose(name, *texts)
    assert str(caught.value) == message
