"""What the ids of tokens mean: 0 is padding, then come the ids that other words share, then the vocabulary by frequency.

A WordPiece vocabulary begins with "[UNK]", which takes the place of the other words.
"""

from __future__ import annotations

from typing import Any

from recipes.text.params import Characters, UnicodeScript, WordPiece, Words

VOCABULARY_FILE = "tokens"
"""Asset of the transform graph: a token a line, the most frequent first (of WordPiece: in the order of its learner)."""
SUBWORD_MARK = "##"
PADDING, OTHER = "[PAD]", "[UNK]"


def token_names(transform_output: Any, tokenizer: Words | UnicodeScript | Characters | WordPiece) -> list[str]:
    """The token of every id, from 0 on. `transform_output` is the tft.TFTransformOutput."""
    vocabulary = [token.decode() for token in transform_output.vocabulary_by_name(VOCABULARY_FILE)]
    if isinstance(tokenizer, WordPiece):
        return [PADDING, *vocabulary]
    num_oov = tokenizer.vocabulary.num_oov_buckets
    return [PADDING, *([OTHER] if num_oov == 1 else [f"{OTHER}_{index}" for index in range(num_oov)]), *vocabulary]
