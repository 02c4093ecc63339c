"""What tokens have is the words' again, and nothing of it is lost."""

from __future__ import annotations

import numpy as np

from components.explain.words import by_word


def test_words_have_a_part_of_their_ngrams_and_subwords() -> None:
    words = ["not", "good"]
    tokens = ["not", "[UNK]", "not good", "##<no", "##oo"]
    found = by_word(words, tokens, np.array([1.0, 2.0, 4.0, 0.5, 0.25]), " ")
    np.testing.assert_allclose(found, [1.0 + 2.0 + 0.5, 2.0 + 2.0 + 0.25])


def test_a_token_that_comes_twice_belongs_to_both_places() -> None:
    words = ["so", "good", "so", "good"]
    tokens = [*words, "so good", "good so", "so good", "##goo", "##goo"]
    values = np.array([0, 0, 0, 0, 4.0, 1.0, 4.0, 2.0, 2.0])
    np.testing.assert_allclose(by_word(words, tokens, values, " "), [2.0, 2.0 + 0.5 + 2.0, 2.0 + 0.5, 2.0 + 2.0])


def test_what_is_nowhere_is_everybodys() -> None:
    np.testing.assert_allclose(by_word(["a", "b"], ["a", "b", "c d"], np.array([0.0, 0.0, 3.0]), " "), [1.5, 1.5])


def test_pieces_in_their_order() -> None:
    found = by_word(["unhappy", "end"], ["un", "##happy", "[UNK]"], np.array([1.0, 2.0, 4.0]), None)
    np.testing.assert_allclose(found, [3.0, 4.0])


def test_characters_and_pairs_of_them() -> None:
    found = by_word(["a", "b", "c"], ["a", "b", "c", "ab", "bc"], np.array([1.0, 0.0, 0.0, 2.0, 4.0]), "")
    np.testing.assert_allclose(found, [2.0, 3.0, 2.0])


def test_a_text_without_words() -> None:
    assert by_word([], [], np.array([]), " ").tolist() == []
