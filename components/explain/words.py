"""Attributions of tokens → those of the words that they are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

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
    others = tokens[len(words) :]
    # A text has hundreds of subwords: where each occurs is found in one pass over its words.
    pieces = _places_of_pieces(words, {len(token) - len(SUBWORD_MARK) for token in others if _is_subword(token, joined)})
    shares: dict[str, Mapping[int, float]] = {}
    for token, value in zip(others, values[len(words) :].tolist(), strict=True):
        if token not in shares:
            known = pieces.get(token.removeprefix(SUBWORD_MARK)) if _is_subword(token, joined) else None
            # What is found nowhere is everybody's.
            counts = known or _places_of_ngram(words, token, joined) or dict.fromkeys(range(len(words)), 1)
            total = sum(counts.values())
            shares[token] = {place: count / total for place, count in counts.items()}
        for place, share in shares[token].items():
            found[place] += share * value
    return found


def _is_subword(token: str, joined: str) -> bool:
    return token.startswith(SUBWORD_MARK) and (not joined or joined not in token)


def _places_of_pieces(words: Sequence[str], lengths: Collection[int]) -> dict[str, dict[int, int]]:
    """Piece of "<word>" of one of these lengths → place of a word → how often it occurs there."""
    found: dict[str, dict[int, int]] = {}
    for place, word in enumerate(words):
        whole = f"<{word}>"
        for length in lengths:
            for start in range(len(whole) - length + 1):
                counts = found.setdefault(whole[start : start + length], {})
                counts[place] = counts.get(place, 0) + 1
    return found


def _places_of_ngram(words: Sequence[str], token: str, joined: str) -> dict[int, int]:
    """Place of a word → in how many occurrences of the n-gram it is."""
    parts = token.split(joined) if joined else list(token)
    counts: dict[int, int] = {}
    for start in range(len(words) - len(parts) + 1):
        if list(words[start : start + len(parts)]) == parts:
            for place in range(start, start + len(parts)):
                counts[place] = counts.get(place, 0) + 1
    return counts
