"""Which column of the schema holds the text."""

from __future__ import annotations

import difflib

from tensorflow_metadata.proto.v0 import schema_pb2

from recipes.contract import RecipeError
from recipes.raw import columns_of


def text_column(schema: schema_pb2.Schema, name: str | None, label: str) -> str:
    """The column that transform.text names, or the only one that the schema calls natural language.

    Raises: RecipeError if there is none, or more than one to choose from, or it holds no text.
    """
    columns = {column: feature for column, feature in columns_of(schema).items() if column != label}
    texts = [column for column, feature in columns.items() if feature.WhichOneof("domain_info") == "natural_language_domain"]
    if name is None:
        if len(texts) == 1:
            return texts[0]
        found = f"{len(texts)} columns as texts ({', '.join(texts)})" if texts else "no column as a text"
        mend = "Name one of them" if texts else "Name the column, or give it `natural_language_domain {}` in the schema"
        raise RecipeError(f"transform.text: the schema marks {found}. Expected one. {mend}.")
    if name == label:
        raise RecipeError(f"transform.text: '{name}' is the label, which is no feature. Texts: {', '.join(texts) or 'none'}.")
    if name not in columns:
        close = difflib.get_close_matches(name, columns, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise RecipeError(f"transform.text: the schema has no column '{name}'.{hint} Texts: {', '.join(texts) or 'none'}.")
    if columns[name].type != schema_pb2.BYTES:
        raise RecipeError(
            f"transform.text: the column '{name}' has the type {schema_pb2.FeatureType.Name(columns[name].type)}. Expected "
            f"BYTES. Texts: {', '.join(texts) or 'none'}."
        )
    return name
