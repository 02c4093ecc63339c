"""Texts → ids of tokens, in TFT's graph.

All kinds of tokens (words, n-grams, subwords) are counted and looked up together: one analyzer, one table, few ops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf
import tensorflow_transform as tft

from recipes.raw import RawTensor, dense_string
from recipes.text.params import Characters, Subwords, Tokenizer, UnicodeScript, WordPiece, Words
from recipes.text.vocabulary import SUBWORD_MARK, VOCABULARY_FILE

Counted: TypeAlias = "Words | UnicodeScript | Characters"

# RE2's white space is ASCII only; of the categories, Z are separators, C control and format characters.
_SPACE = r"[\p{Z}\p{C}]+"
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTERS = rf"(?:[^\P{{L}}{_UNSPACED}]|[\p{{M}}\p{{N}}_])+"
_WORD = rf"([{_UNSPACED}]\p{{M}}*|{_LETTERS}(?:['’]{_LETTERS})*|[^\p{{Z}}\p{{C}}])"


def make_tokens(raw: RawTensor, tokenizer: Words | UnicodeScript | Characters | WordPiece) -> tf.SparseTensor:
    """Ids of the first text of each row, int64 [batch, None]; see `recipes.text.vocabulary` for what they mean.

    Words come first, in their order, then n-grams, then subwords. A missing text has no tokens.
    """
    text = normalised(dense_string(raw)[:, 0], tokenizer)
    if isinstance(tokenizer, WordPiece):
        # Beam, too, is imported only where it is needed.
        from recipes.text.wordpiece import wordpiece_ids

        # +1: 0 is padding.
        return (1 + wordpiece_ids(split_words(text), tokenizer)[:, : tokenizer.max_tokens]).to_sparse()
    return _vocabulary_ids(tokens_of(text, tokenizer), tokenizer).to_sparse()


def make_text(raw: RawTensor) -> tf.Tensor:
    """The first text of each row as it is, string [batch, 1]; empty where there is none."""
    return dense_string(raw)


def normalised(text: tf.Tensor, tokenizer: Tokenizer) -> tf.Tensor:
    """String [batch] in the form and case that the tokenizer asks for; what is no UTF-8 becomes U+FFFD."""
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
    if tokenizer.normalize is not None:
        import tensorflow_text

        text = tensorflow_text.normalize_utf8(text, tokenizer.normalize)
    if tokenizer.case == "fold":
        import tensorflow_text

        return tensorflow_text.case_fold_utf8(text)
    return tf.strings.lower(text, encoding="utf-8") if tokenizer.case == "lower" else text


def words_of(raw: RawTensor, tokenizer: Counted | WordPiece) -> tf.RaggedTensor:
    """The words, or characters, of the first text of each row that tokens are made of, string [batch, None]."""
    text = normalised(dense_string(raw)[:, 0], tokenizer)
    return _words(text, tokenizer)[:, : tokenizer.max_tokens]


def named_tokens(ids: tf.Tensor, names: Sequence[str]) -> tf.Tensor:
    """Ids [batch, tokens] → their names, as `token_names` tells them; nothing where padding is."""
    return tf.gather(tf.constant(["", *names[1:]]), ids)


def tokens_of(text: tf.Tensor, tokenizer: Counted) -> list[tf.RaggedTensor]:
    """String [batch] → strings [batch, None]: words (or characters), then n-grams and subwords, where these are asked for."""
    words = _words(text, tokenizer)[:, : tokenizer.max_tokens]
    tokens = [words]
    if tokenizer.ngrams > 1:
        separator = "" if isinstance(tokenizer, Characters) else " "
        tokens.append(tf.strings.ngrams(words, tuple(range(2, tokenizer.ngrams + 1)), separator))
    if not isinstance(tokenizer, Characters) and tokenizer.subwords is not None:
        tokens.append(_subwords(words, tokenizer.subwords))
    return tokens


def _words(text: tf.Tensor, tokenizer: Counted | WordPiece) -> tf.RaggedTensor:
    if isinstance(tokenizer, Characters):
        return split_characters(text)
    if isinstance(tokenizer, UnicodeScript):
        import tensorflow_text

        return tensorflow_text.UnicodeScriptTokenizer().tokenize(text)
    return split_words(text)


def split_words(text: tf.Tensor) -> tf.RaggedTensor:
    """String [batch] → its words and signs, [batch, None]; see `recipes.text.params.Words`."""
    spaced = tf.strings.regex_replace(tf.strings.regex_replace(text, _SPACE, " "), _WORD, r" \1 ")
    return tf.strings.split(spaced)


def split_characters(text: tf.Tensor) -> tf.RaggedTensor:
    """String [batch] → its characters, [batch, None]; white space between words is one "▁"."""
    # TFT's vocabularies have no white space.
    trimmed = tf.strings.strip(tf.strings.regex_replace(text, _SPACE, " "))
    return tf.strings.unicode_split(tf.strings.regex_replace(trimmed, " ", "▁"), "UTF-8")


def _subwords(words: tf.RaggedTensor, subwords: Subwords) -> tf.RaggedTensor:
    characters = tf.strings.unicode_split(tf.strings.join(["<", words.flat_values, ">"]), "UTF-8")
    pieces = tf.strings.ngrams(characters, tuple(range(subwords.min_chars, subwords.max_chars + 1)), separator="")
    marked = pieces.with_flat_values(tf.strings.join([SUBWORD_MARK, pieces.flat_values]))
    return words.with_flat_values(marked).merge_dims(1, 2)


def _vocabulary_ids(tokens: list[tf.RaggedTensor], tokenizer: Counted) -> tf.RaggedTensor:
    vocabulary = tokenizer.vocabulary
    found = tft.compute_and_apply_vocabulary(
        tf.concat([each.flat_values for each in tokens], axis=0),
        default_value=-1,
        top_k=vocabulary.top_k,
        frequency_threshold=vocabulary.min_count if vocabulary.min_count > 1 else None,  # TFT warns of 1
        vocab_filename=VOCABULARY_FILE,
    )
    words, *others = tf.split(found, [tf.size(each.flat_values) for each in tokens], num=len(tokens))
    # Ids of the others stand before the vocabulary, whose size the graph does not know.
    other = 1 + tf.strings.to_hash_bucket_fast(tokens[0].flat_values, vocabulary.num_oov_buckets)
    first = 1 + vocabulary.num_oov_buckets
    ids = [tokens[0].with_flat_values(tf.where(words < 0, other, first + words))]
    for each, values in zip(tokens[1:], others, strict=True):
        known = each.with_flat_values(first + values)
        ids.append(tf.ragged.boolean_mask(known, known >= first))
    return tf.concat(ids, axis=1) if len(ids) > 1 else ids[0]
