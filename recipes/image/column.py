"""Which column of the schema holds the image."""

from __future__ import annotations

import difflib

from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import RecipeError
from recipes.raw import columns_of


def image_column(schema: schema_pb2.Schema, name: str | None) -> str:
    """The column that transform.image names, or the only one that the schema calls an image.

    Raises: RecipeError if there is none, or more than one to choose from.
    """
    columns = columns_of(schema)
    images = [column for column, feature in columns.items() if feature.WhichOneof("domain_info") == "image_domain"]
    if name is None:
        if len(images) == 1:
            return images[0]
        found = f"{len(images)} columns as images ({', '.join(images)})" if images else "no column as an image"
        mend = "Name one of them" if images else "Give the column of the images `image_domain {}` in the schema"
        raise RecipeError(f"transform.image: the schema marks {found}. Expected one. {mend}.")
    if name not in columns:
        close = difflib.get_close_matches(name, columns, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise RecipeError(f"transform.image: the schema has no column '{name}'.{hint} Images: {', '.join(images) or 'none'}.")
    if name not in images:
        raise RecipeError(
            f"transform.image: the schema marks '{name}', {schema_pb2.FeatureType.Name(columns[name].type)}, as no image. "
            f"Images: {', '.join(images) or 'none'}. Name one of them, or give the column `image_domain {{}}` in the schema."
        )
    return name
