"""Measures of texts: words and scripts, from the bytes of a whole block at once.

Most bytes of most texts are ASCII, and are judged as bytes; characters beyond are found by their first byte and looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from components.ingest.characters import CHARACTERS, COMMON, IDEOGRAPH, LATIN, MARK, OTHER, SCRIPTS, WORD

_CONTINUED = 4
"""Class of the further bytes of an ideograph: so what follows begins a word of its own."""
_APOSTROPHES = (0x2019, 0x02BC, 0xFF07)
"""Beside the ASCII one."""
_LONG = 1000
"""Texts of more bytes than this are counted one by one."""
_SCRIPT_NAMES = pa.array([name.replace("_", " ") for name in SCRIPTS])


@dataclass(frozen=True)
class Foreign:
    """The characters of a block beyond ASCII.

    Attributes:
        positions: Of their first bytes.
        code_points: int32.
        lengths: In bytes, 2 to 4.
    """

    positions: np.ndarray
    code_points: np.ndarray
    lengths: np.ndarray


class TextBlock:
    """The bytes of a block of texts.

    Args:
        texts: String, [records], none missing.
    """

    def __init__(self, texts: pa.Array) -> None:
        _, offsets, content = texts.buffers()
        ends = (
            np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1] if len(texts) else np.zeros(1, int)
        )
        whole = np.frombuffer(content, np.uint8) if content is not None else np.zeros(0, np.uint8)
        self.content = whole[ends[0] : ends[-1]]
        """All bytes, end to end."""
        self.bounds = ends - ends[0]
        """Where each text begins, and the last one ends; [records + 1]."""
        self.foreign = self._find_foreign()

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """The records that hold the bytes at these positions."""
        return np.searchsorted(self.bounds, positions, side="right") - 1

    def num_words(self) -> np.ndarray:
        """Words of each text: int64, [records].

        A word is a run of letters, digits and their marks, with apostrophes within; an ideograph or a Hiragana letter is a
        word by itself. It's the part of Unicode's annex 29 that needs no dictionary.
        """
        classes = self._byte_classes()
        is_word = (classes == WORD).view(np.uint8) if len(self.foreign.positions) else classes
        begins = np.empty(len(classes), bool)
        np.greater(is_word[1:], is_word[:-1], out=begins[1:])
        starts = self.bounds[:-1][self.bounds[:-1] < len(classes)]
        begins[starts] = is_word[starts]  # texts don't go on from the one before
        if len(self.foreign.positions):
            begins |= classes == IDEOGRAPH
        return self._count(begins)

    def scripts(self) -> pa.Array:
        """The script of most letters of each text, `Common` if it holds none: string, [records]."""
        scripts = np.where(self._count_latin(None) > 0, LATIN, COMMON)
        if len(self.foreign.positions):
            found = CHARACTERS.scripts(self.foreign.code_points)
            letters = found != COMMON
            rows = self.rows(self.foreign.positions[letters])
            mixed, places = np.unique(rows, return_inverse=True)
            # Only the scripts that occur, so that the table stays small.
            known, columns = np.unique(np.append(found[letters], np.uint8(LATIN)), return_inverse=True)
            counts = np.bincount(places * len(known) + columns[:-1], minlength=len(mixed) * len(known))
            counts = counts.reshape(len(mixed), len(known))
            counts[:, columns[-1]] += self._count_latin(mixed)
            scripts[mixed] = known[counts.argmax(axis=1)]  # of equals the first by name
        return _SCRIPT_NAMES.take(pa.array(scripts))

    def _count(self, mask: np.ndarray) -> np.ndarray:
        """How often `mask` ([bytes]) is true in each text: int64, [records]."""
        if len(mask) > _LONG * len(self.bounds):
            bounds = zip(self.bounds[:-1].tolist(), self.bounds[1:].tolist(), strict=True)
            return np.fromiter((np.count_nonzero(mask[start:end]) for start, end in bounds), np.int64, len(self.bounds) - 1)
        return np.diff(np.searchsorted(np.flatnonzero(mask), self.bounds))

    def _find_foreign(self) -> Foreign:
        content = self.content
        positions = np.flatnonzero(content >= 0xC0) if len(content) and content.max() >= 0x80 else np.zeros(0, np.int64)
        first = content[positions].astype(np.int32)
        lengths = 2 + (first >= 0xE0) + (first >= 0xF0)
        code_points = (first & (0x7F >> lengths)) << 6 | self._following(positions, 1)
        for number in (2, 3):
            longer = lengths > number
            if longer.any():
                code_points[longer] = code_points[longer] << 6 | self._following(positions[longer], number)
        CHARACTERS.learn(code_points)
        return Foreign(positions, code_points, lengths)

    def _following(self, positions: np.ndarray, number: int) -> np.ndarray:
        return (self.content[positions + number] & 0x3F).astype(np.int32)

    def _count_latin(self, rows: np.ndarray | None) -> np.ndarray:
        """Number of ASCII letters of the texts `rows`; of all texts (None), whether there are any: int64."""
        letters = self._letters
        if rows is None:
            starts = self.bounds[:-1]
            filled = np.flatnonzero(starts < self.bounds[1:])
            counts = np.zeros(len(starts), np.int64)
            if len(filled):  # `reduceat` knows no empty parts
                counts[filled] = np.logical_or.reduceat(letters, starts[filled])
            return counts
        bounds = zip(self.bounds[rows].tolist(), self.bounds[rows + 1].tolist(), strict=True)
        return np.fromiter((np.count_nonzero(letters[start:end]) for start, end in bounds), np.int64, len(rows))

    @cached_property
    def _begins_text(self) -> np.ndarray:
        """Where a text begins or ends: bool, [bytes + 1]."""
        begins = np.zeros(len(self.content) + 1, bool)
        begins[self.bounds] = True
        return begins

    @cached_property
    def _letters(self) -> np.ndarray:
        """Where ASCII letters stand: bool, [bytes]."""
        found = self.content | np.uint8(0x20)
        np.subtract(found, np.uint8(97), out=found)  # in place: to get new memory takes longer than to compute
        return np.less(found, 26, out=found.view(bool))

    def _byte_classes(self) -> np.ndarray:
        """The class of the character that each byte belongs to: uint8."""
        content, foreign = self.content, self.foreign
        classes = content - np.uint8(48)
        is_word = np.less(classes, 10, out=classes.view(bool))
        np.logical_or(is_word, self._letters, out=is_word)  # true is 1, WORD
        apostrophes = np.flatnonzero(content == ord("'"))
        lengths = np.ones(len(apostrophes), np.int64)
        if len(foreign.positions):
            found = CHARACTERS.classes(foreign.code_points)
            self._give_marks(found, classes)
            classes[foreign.positions] = found
            found[found == IDEOGRAPH] = _CONTINUED
            for number in (1, 2, 3):
                longer = foreign.lengths > number
                classes[foreign.positions[longer] + number] = found[longer]
            curly = np.isin(foreign.code_points, _APOSTROPHES)
            apostrophes = np.append(apostrophes, foreign.positions[curly])
            lengths = np.append(lengths, foreign.lengths[curly])
        ends = apostrophes + lengths
        inside = ~self._begins_text[apostrophes] & ~self._begins_text[ends]
        apostrophes, ends = apostrophes[inside], ends[inside]
        joins = (classes[apostrophes - 1] == WORD) & (classes[ends] == WORD)
        for number in (0, 1, 2):
            taken = apostrophes[joins] + number
            classes[taken[taken < ends[joins]]] = WORD
        return classes

    def _give_marks(self, found: np.ndarray, classes: np.ndarray) -> None:
        """Gives every mark in `found` the class of the character that it belongs to."""
        is_mark = found == MARK
        if not is_mark.any():
            return
        positions, lengths = self.foreign.positions, self.foreign.lengths
        follows = np.zeros(len(positions), bool)  # directly, a character that isn't ASCII
        follows[1:] = positions[1:] == positions[:-1] + lengths[:-1]
        begins_text = self._begins_text[positions]
        after_ascii = is_mark & ~follows & ~begins_text
        carried = np.where(found == IDEOGRAPH, _CONTINUED, found)
        carried[is_mark] = OTHER
        carried[after_ascii] = classes[positions[after_ascii] - 1]
        owners = np.where(is_mark & follows & ~begins_text, 0, np.arange(len(found)))
        found[is_mark] = carried[np.maximum.accumulate(owners)][is_mark]
