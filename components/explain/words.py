"""Attributions of tokens → those of the words that they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

SUBWORD_MARK = "##"


def by_word(words: Sequence[str], tokens: Sequence[str], values: np.ndarray, joined: str | None) -> np.ndarray:
    """What each word has of its own, and of the n-grams and subwords that it is in.

    A token is shared evenly by all that it may come from: "not good" by both of its words, and, where the text has it twice,
    so is each. What the words get adds up to what the tokens have.

    Args:
        words: Of one text.
        tokens: One a word, in their order, then n-grams and subwords; or, with `joined` None, pieces of the words, in order.
        values: Attributions of the tokens, [tokens].
        joined: What joins the words of an n-gram; None where tokens are pieces, of which those that go on with a word begin
            with ##.

    Returns: Float64 [words].
    """
    found = np.zeros(len(words))
    if not len(words):
        return found
    if joined is None:
        begun = np.array([not token.startswith(SUBWORD_MARK) for token in tokens], bool)
        np.add.at(found, np.clip(np.cumsum(begun) - 1, 0, len(words) - 1), values)
        return found
    found += values[: len(words)]
    shares: dict[str, Mapping[int, float]] = {}
    for token, value in zip(tokens[len(words) :], values[len(words) :].tolist(), strict=True):
        if token not in shares:
            shares[token] = _shares(words, token, joined)
        for place, share in shares[token].items():
            found[place] += share * value
    return found


def _shares(words: Sequence[str], token: str, joined: str) -> dict[int, float]:
    """Place of a word → its part of the token."""
    counts: dict[int, float] = {}
    if token.startswith(SUBWORD_MARK) and (not joined or joined not in token):
        piece = token.removeprefix(SUBWORD_MARK)
        for place, word in enumerate(words):
            whole = f"<{word}>"
            if times := sum(whole.startswith(piece, start) for start in range(len(whole))):
                counts[place] = float(times)
    else:
        parts = token.split(joined) if joined else list(token)
        for start in range(len(words) - len(parts) + 1):
            if list(words[start : start + len(parts)]) == parts:
                for place in range(start, start + len(parts)):
                    counts[place] = counts.get(place, 0.0) + 1.0
    counts = counts or dict.fromkeys(range(len(words)), 1.0)  # what is found nowhere is everybody's
    total = sum(counts.values())
    return {place: count / total for place, count in counts.items()}
