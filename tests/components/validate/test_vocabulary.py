"""Words are counted exactly while they fit, and within known bounds beyond."""

from __future__ import annotations

import pytest

from components.validate.vocabulary import Vocabulary, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("“slow-moving”, it's (really) bad...", ["slow-moving", "it's", "really", "bad"]),
        ("— … !", []),
        ("наша жизнь»", ["наша", "жизнь"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("東京tower、良い", ["東", "京", "tower", "良", "い"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split_words(text.casefold().split()) == words


def test_counts_are_exact_while_they_fit() -> None:
    vocabulary = Vocabulary(max_words=3)
    vocabulary.add(["b", "a", "b", "c", "a"])
    assert vocabulary.most_frequent(2) == [("a", 2), ("b", 2)]
    assert (vocabulary.num_words, vocabulary.max_missed) == (5, 0)


def test_frequent_words_survive_and_no_count_is_off_by_more_than_said() -> None:
    vocabulary = Vocabulary(max_words=50)
    for index in range(200):
        vocabulary.add(["the"] * 10 + ["of"] * 5 + [f"rare{index}{letter}" for letter in "abcde"])
        assert len(vocabulary.counts) <= 55
    assert vocabulary.num_words == 200 * 20
    assert 0 < vocabulary.max_missed < 1000
    for word, count in (("the", 2000), ("of", 1000)):
        assert count - vocabulary.max_missed <= vocabulary.counts[word] <= count
