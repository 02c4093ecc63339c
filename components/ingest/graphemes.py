"""Where a text may be cut: between the characters that a reader sees, never within one (Unicode's annex 29)."""

from __future__ import annotations

import regex

_CLUSTER = regex.compile(r"\X")


def boundary(text: str, position: int) -> int:
    """The last position up to `position`, in code points, at which a grapheme cluster begins or the text ends.

    A letter with its marks, an emoji with its modifiers, a flag, and CR LF are one cluster each.
    """
    if position >= len(text):
        return len(text)
    if position <= 0 or _surely_apart(text[position - 1], text[position]):
        return max(position, 0)
    start = position - 1
    while start > 0 and not _surely_apart(text[start - 1], text[start]):
        start -= 1
    last = start
    for cluster in _CLUSTER.finditer(text, start):
        if cluster.end() > position:
            return cluster.start()
        last = cluster.end()
    return last


def _surely_apart(left: str, right: str) -> bool:
    """Whether two characters belong to different clusters whatever stands around them."""
    if left.isascii() and right.isascii():
        return not (left == "\r" and right == "\n")
    # Only letters and digits: what else may need more than its neighbour to be judged, as the halves of flags do.
    return left.isalnum() and right.isalnum() and not _CLUSTER.fullmatch(left + right)
