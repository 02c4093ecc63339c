"""Texts → tokens, sign by sign, in several scripts."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from recipes.text.params import TransformParams
from recipes.text.tokens import normalised, tokens_of


def tokenize(text: str | bytes, **tokenizer: Any) -> list[list[str]]:
    params: Any = TransformParams.model_validate({"tokenizer": tokenizer}).tokenizer
    kinds = tokens_of(normalised(tf.constant([text]), params), params)
    return [[token.decode() for token in kind.to_list()[0]] for kind in kinds]


WORDS = {
    "Don't PANIC, it's 4.5 stars!": ["don't", "panic", ",", "it's", "4", ".", "5", "stars", "!"],
    "’quoted’ l’été": ["’", "quoted", "’", "l’été"],
    "Straße ÉCOLE e\u0301te\u0301": ["straße", "école", "e\u0301te\u0301"],
    "ΟΔΥΣΣΕΥΣ Ёлка snake_case": ["οδυσσευς", "ёлка", "snake_case"],
    "这部电影很好 iPhone很好": ["这", "部", "电", "影", "很", "好", "iphone", "很", "好"],
    "ラーメン food": ["ラ", "ー", "メ", "ン", "food"],
    "हिन्दी फ़िल्म": ["हिन्दी", "फ़िल्म"],
    "ดีมาก": ["ดี", "ม", "า", "ก"],
    "a\u00a0b\u3000c\td\ne\u200bf": ["a", "b", "c", "d", "e", "f"],
    "great 😀😀": ["great", "😀", "😀"],
    "": [],
    " \u00a0 ": [],
}


@pytest.mark.parametrize("text", WORDS)
def test_words(text: str) -> None:
    assert tokenize(text, kind="words", ngrams=1, subwords=None) == [WORDS[text]]


def test_bytes_that_are_no_text_become_a_sign() -> None:
    assert tokenize(b"caf\xe9 good", kind="words", ngrams=1, subwords=None) == [["caf", "�", "good"]]


def test_ngrams_follow_the_words() -> None:
    assert tokenize("a b c", kind="words", ngrams=3, subwords=None) == [["a", "b", "c"], ["a b", "b c", "a b c"]]


def test_subwords_are_marked() -> None:
    words, subwords = tokenize("I été", kind="words", ngrams=1, subwords={"min_chars": 3, "max_chars": 4})
    assert (words, subwords) == (["i", "été"], ["##<i>", "##<ét", "##été", "##té>", "##<été", "##été>"])


def test_text_is_cut_before_ngrams_are_made() -> None:
    assert tokenize("a b c", kind="words", max_tokens=2, subwords=None) == [["a", "b"], ["a b"]]


def test_characters() -> None:
    assert tokenize("  Ça va\u3000好 ", kind="characters") == [["ç", "a", "▁", "v", "a", "▁", "好"]]
    assert tokenize("abc", kind="characters", ngrams=2, case="keep") == [["a", "b", "c"], ["ab", "bc"]]


def test_unicode_script() -> None:
    tokens = tokenize("Don't стой!? 好吃 abc", kind="unicode_script", ngrams=1, subwords=None)
    assert tokens == [["don", "'", "t", "стой", "!?", "好吃", "abc"]]


@pytest.mark.parametrize(
    ("tokenizer", "expected"),
    [
        ({"case": "keep"}, ["Straße", "ﬁN", "１"]),
        ({"case": "lower"}, ["straße", "ﬁn", "１"]),
        ({"case": "fold"}, ["strasse", "fin", "1"]),
        ({"case": "keep", "normalize": "NFKC"}, ["Straße", "fiN", "1"]),
    ],
)
def test_case_and_normal_form(tokenizer: dict[str, Any], expected: list[str]) -> None:
    assert tokenize("Straße ﬁN １", kind="words", ngrams=1, subwords=None, **tokenizer) == [expected]
