"""Counts words with bounded memory."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

MAX_WORDS = 250_000

_PUNCTUATION = string.punctuation + "‘’‚“”„«»‹›…–—―·•¿¡。，、！？：；「」『』（）《》〈〉【】"
# Scripts that write without spaces: each character counts as a word.
_IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def split_words(tokens: Iterable[str]) -> list[str]:
    """The words among the tokens of a case-folded text: punctuation stripped, ideographs one by one."""
    words = []
    for token in tokens:
        if token.isascii() or not _IDEOGRAPH.search(token):
            word = token.strip(_PUNCTUATION)
            if word:
                words.append(word)
        else:
            words += split_words(_IDEOGRAPH.sub(r" \g<0> ", token).split()) if len(token) > 1 else [token]
    return words


class Vocabulary:
    """Counts of words, of which at most `max_words` are held.

    When there are more, the rarest are forgotten until at most half of them are left, as in lossy counting (Manku and
    Motwani, Approximate Frequency Counts over Data Streams, VLDB 2002). A count is then too low by at most `max_missed`, and
    a word that came more often than that is never lost.

    Attributes:
        counts: Word → how often.
        num_words: Words added, the forgotten ones included.
        max_missed: 0 as long as every count is exact.
    """

    def __init__(self, max_words: int = MAX_WORDS) -> None:
        self.counts: Counter[str] = Counter()
        self.num_words = 0
        self.max_missed = 0
        self._max_words = max_words

    def add(self, words: list[str]) -> None:
        """Counts the words of a few texts."""
        self.counts.update(words)
        self.num_words += len(words)
        self._forget()

    def add_counts(self, counts: Mapping[str, int]) -> None:
        """Likewise of words that were counted."""
        self.counts.update(counts)
        self.num_words += sum(counts.values())
        self._forget()

    def merge(self, other: Vocabulary) -> None:
        """Takes in another's counts, whose words came in other texts."""
        self.max_missed += other.max_missed
        self.counts.update(other.counts)
        self.num_words += other.num_words
        self._forget()

    def state(self) -> dict[str, Any]:
        """JSON types."""
        words, counts = list(self.counts), list(self.counts.values())
        return {"words": words, "counts": counts, "num_words": self.num_words, "max_missed": self.max_missed}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Vocabulary:
        """The inverse of `state`."""
        made = cls()
        made.counts = Counter(dict(zip(state["words"], state["counts"], strict=True)))
        made.num_words, made.max_missed = state["num_words"], state["max_missed"]
        return made

    def _forget(self) -> None:
        if len(self.counts) > self._max_words:
            lost = sorted(self.counts.values(), reverse=True)[self._max_words // 2]
            self.counts = Counter({word: count for word, count in self.counts.items() if count > lost})
            self.max_missed += lost

    def most_frequent(self, num_shown: int) -> list[tuple[str, int]]:
        """(word, count), the most frequent first, in alphabetical order where counts are equal."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:num_shown]
