"""Which column is the image."""

from __future__ import annotations

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import RecipeError
from recipes.image.column import image_column

PHOTO = 'feature { name: "photo" type: BYTES image_domain {} } '
MASK = 'feature { name: "mask" type: BYTES image_domain {} } '
OTHERS = 'feature { name: "photo_width" type: INT } feature { name: "name" type: BYTES } '


def schema_of(text: str) -> schema_pb2.Schema:
    return text_format.Parse(text, schema_pb2.Schema())


def test_the_only_image_or_the_named_one() -> None:
    assert image_column(schema_of(OTHERS + PHOTO), None) == "photo"
    assert image_column(schema_of(PHOTO + MASK), "mask") == "mask"
    planned = MASK.replace("type", "lifecycle_stage: PLANNED type")
    assert image_column(schema_of(PHOTO + planned), None) == "photo"


MISTAKES = [
    (
        OTHERS,
        None,
        "transform.image: the schema marks no column as an image. Expected one. Give the column of the images "
        "`image_domain {}` in the schema.",
    ),
    (
        PHOTO + MASK,
        None,
        "transform.image: the schema marks 2 columns as images (photo, mask). Expected one. Name one of them.",
    ),
    (
        PHOTO + OTHERS,
        "foto",
        "transform.image: the schema has no column 'foto'. Did you mean 'photo'? Images: photo.",
    ),
    (OTHERS, "x", "transform.image: the schema has no column 'x'. Images: none."),
    (
        PHOTO + OTHERS,
        "photo_width",
        "transform.image: the schema marks 'photo_width', INT, as no image. Images: photo. Name one of them, or give the "
        "column `image_domain {}` in the schema.",
    ),
]


@pytest.mark.parametrize(("schema", "name", "message"), MISTAKES)
def test_mistakes(schema: str, name: str | None, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        image_column(schema_of(schema), name)
    assert str(caught.value) == message
