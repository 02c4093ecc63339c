"""The preprocessing function through TFT: ids, other words, texts without tokens, the vocabularies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from recipes.text.vocabulary import token_names

TEXTS = ["good film good", "bad film!", None, "good plot", " "]
MOODS = ["good", "bad", "bad", "good", "bad"]


@pytest.fixture(scope="module")
def words(make_recipe: Callable[..., Any], transform: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    subwords = {"min_chars": 3, "max_chars": 3}
    vocabulary = {"min_count": 2, "num_oov_buckets": 2}
    tokenizer = {"kind": "words", "subwords": subwords, "vocabulary": vocabulary}
    return transform(make_recipe({"tokenizer": tokenizer}), TEXTS, MOODS, tmp_path_factory.mktemp("words"))


def names(transformed: Any, ids: list[int] | None) -> list[str]:
    every = token_names(transformed.output, transformed.recipe.task.transform.tokenizer)
    return [every[index] for index in ids or []]


@pytest.mark.slow
def test_words_ngrams_and_subwords_have_ids(words: Any) -> None:
    tokens = words.features["tokens"]
    good = ["##<go", "##goo", "##ood", "##od>"]
    film = ["##<fi", "##fil", "##ilm", "##lm>"]
    # No n-gram occurs twice; "bad", "!" and "plot", with their subwords, occur once.
    bad, sign = names(words, tokens[1])[0], names(words, tokens[1])[2]
    assert {bad, sign} <= {"[UNK]_0", "[UNK]_1"}
    assert [names(words, row) for row in tokens[:2]] == [
        ["good", "film", "good", *good, *film, *good],
        [bad, "film", sign, *film],
    ]
    assert words.features["label"] == [[1], [0], [0], [1], [0]]
    assert words.recipe.feature_spec == {"tokens": tf.io.VarLenFeature(tf.int64)}


@pytest.mark.slow
def test_the_most_frequent_token_has_the_first_id_after_the_others(words: Any) -> None:
    every = token_names(words.output, words.recipe.task.transform.tokenizer)
    assert every[:3] == ["[PAD]", "[UNK]_0", "[UNK]_1"]
    good, film = {"good", "##<go", "##goo", "##ood", "##od>"}, {"film", "##<fi", "##fil", "##ilm", "##lm>"}
    assert (set(every[3:8]), set(every[8:])) == (good, film)


@pytest.mark.slow
def test_a_text_without_tokens_has_none(words: Any) -> None:
    assert [row or [] for row in (words.features["tokens"][2], words.features["tokens"][4])] == [[], []]
    served = words.serve(["", "unmet good", " "])["tokens"]
    dense = tf.sparse.to_dense(served).numpy().tolist()
    assert [names(words, [index for index in row if index]) for row in (dense[0], dense[2])] == [[], []]
    unmet, *good = names(words, [index for index in dense[1] if index])
    assert unmet.startswith("[UNK]_")
    assert good == ["good", "##<go", "##goo", "##ood", "##od>"]
    nothing = words.serve(["", ""])["tokens"]
    assert nothing.dense_shape.numpy().tolist() == [2, 0]


@pytest.mark.slow
def test_transform_keeps_records_without_tokens(words: Any, tmp_path: Path) -> None:
    from components.examples_table import decode, read_serialized
    from components.tf_example import encode
    from components.transform.component import rewrite

    column = pa.array(words.features["tokens"], pa.list_(pa.int64()))
    records = encode({"tokens": column, "label": pa.array(words.features["label"], pa.list_(pa.int64()))}, len(TEXTS))
    folder = tmp_path / "Split-train"
    folder.mkdir()
    with tf.io.TFRecordWriter(str(folder / "x.gz"), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for record in records.to_pylist():
            writer.write(record)
    rewrite(folder, num_shards=1)
    (serialized,) = read_serialized(tmp_path, "train")
    assert decode(serialized).num_rows == len(TEXTS)
    spec = {**words.recipe.feature_spec, "label": tf.io.FixedLenFeature([1], tf.int64)}
    dense = tf.sparse.to_dense(tf.io.parse_example(serialized, spec)["tokens"]).numpy()
    # Shards are filled in an order of their own, so rows are compared as a whole.
    expected = sorted(row or [] for row in words.features["tokens"])
    assert sorted([index for index in row if index] for row in dense.tolist()) == expected


@pytest.mark.slow
def test_wordpieces_are_learned_from_the_texts(
    make_recipe: Callable[..., Any], transform: Callable[..., Any], tmp_path: Path
) -> None:
    texts = ["walking walked walks", "talking talked talks", "walk talk walked talking", None] * 5
    recipe = make_recipe({"tokenizer": {"kind": "wordpiece", "vocab_size": 100}})
    transformed = transform(recipe, texts, ["good"] * 20, tmp_path)
    every = token_names(transformed.output, recipe.task.transform.tokenizer)
    assert every[:2] == ["[PAD]", "[UNK]"]
    assert {"walk", "talking", "##a"} <= set(every)
    assert recipe.libraries == ["tensorflow_text"]

    def pieces(text: str) -> list[str]:
        return names(transformed, tf.sparse.to_dense(transformed.serve([text])["tokens"]).numpy()[0].tolist())

    for word in ("walking", "talks", "walkingtalk"):
        first, *rest = pieces(word)
        assert first + "".join(piece.removeprefix("##") for piece in rest) == word
    assert pieces("walked Ω")[-1] == "[UNK]"
    ids = transformed.features["tokens"]
    assert [row is None or not row for row in ids] == [False, False, False, True] * 5
    assert min(min(row) for row in ids if row) >= 1


def test_wordpieces_do_not_depend_on_the_order_of_words() -> None:
    from recipes.text.wordpiece import learn

    counts = [("walking", 5), ("walked", 3), ("talking", 3), ("talk", 5)]
    assert learn(counts, 100, 2) == learn(counts[::-1], 100, 2)
    assert learn([], 100, 2) == ["[UNK]"]


@pytest.mark.slow
def test_an_encoder_gets_the_text_itself(
    make_recipe: Callable[..., Any], transform: Callable[..., Any], tmp_path: Path
) -> None:
    recipe = make_recipe({"tokenizer": {"kind": "none"}}, {"network": {"kind": "encoder", "path": "data/use"}})
    transformed = transform(recipe, ["Good Film", None], ["good", "bad"], tmp_path)
    assert transformed.features == {"text": [[b"Good Film"], [b""]], "label": [[1], [0]]}
    assert transformed.serve(["É", ""])["text"].numpy().tolist() == [["É".encode()], [b""]]
    np.testing.assert_equal(recipe.feature_spec, {"text": tf.io.FixedLenFeature([1], tf.string)})
