"""A column of texts: normalised, judged and measured, a block at a time.

White space around a text is kept: whether it means anything is for the recipe to say.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ingest.characters import CHARACTERS
from components.ingest.graphemes import boundary
from components.ingest.kinds import Kind
from components.ingest.rejects import Check
from components.ingest.text_measures import TextBlock
from components.params.models import TextParams

TEXT_MEASURES: dict[str, Kind] = {"num_chars": "integer", "num_words": "integer", "script": "string"}
"""Suffix of the measured column → its kind."""
_VISIBLE = r"[^\s\p{Z}\p{Cc}\p{Cf}]"


@dataclass(frozen=True)
class Prepared:
    """What became of a block of texts.

    Attributes:
        texts: String, [records]; normalised, and truncated where that is asked for.
        measured: Suffix of `TEXT_MEASURES` → values, [records], missing where the text is; of the texts as they are here.
        empty: Mask of texts that break the rule; None if there are none, or they may be so.
        overlong: Likewise.
    """

    texts: pa.Array
    measured: Mapping[str, pa.Array]
    empty: pa.Array | None
    overlong: pa.Array | None


class TextColumn:
    """What `data.texts` says of one column; safe to use from several threads.

    Args:
        name: The column's in `data.texts`.
        params: What stands there.
    """

    def __init__(self, name: str, params: TextParams) -> None:
        self._name = name
        self._params = params

    def checks(self, prepared: Prepared, column: str) -> Iterator[tuple[Check, pa.Array | None]]:
        """The rules with masks of the texts that break them; `column` is the name in the file."""
        yield Check.empty(column, self._name), prepared.empty
        if self._params.max_chars is not None:
            yield Check.overlong(column, self._name, self._params.max_chars), prepared.overlong

    def prepare(self, texts: pa.Array) -> Prepared:
        """Normalises and measures; texts are strings, null where missing."""
        if texts.type == pa.null():
            texts = texts.cast(pa.string())
        present = texts if texts.null_count == 0 else pc.fill_null(texts, "")
        block = TextBlock(present)
        present, block = self._normalise(present, block)
        overlong = None
        if self._params.max_chars is not None:
            present, block, overlong = self._limit(present, block, self._params.max_chars)
        missing = None if texts.null_count == 0 else texts.is_null()

        def masked(values: pa.Array) -> pa.Array:
            return values if missing is None else pc.if_else(missing, pa.scalar(None, values.type), values)

        measured = {
            "num_chars": masked(pc.cast(pc.utf8_length(present), pa.int64())),
            "num_words": masked(pa.array(block.num_words())),
            "script": masked(block.scripts()),
        }
        empty = None
        if self._params.empty == "reject":
            invisible = pc.invert(pc.match_substring_regex(present, _VISIBLE))
            empty = invisible if pc.any(invisible).as_py() else None
        return Prepared(masked(present), measured, empty, overlong)

    def _normalise(self, texts: pa.Array, block: TextBlock) -> tuple[pa.Array, TextBlock]:
        form = self._params.normalize
        if form == "none" or not len(block.foreign.positions):
            return texts, block
        unstable = CHARACTERS.unstable(block.foreign.code_points, form)
        rows = pa.array(np.unique(block.rows(block.foreign.positions[unstable])))
        if not len(rows):
            return texts, block
        found = texts.take(rows)
        normalised = pa.array([unicodedata.normalize(form, text) for text in found.to_pylist()], pa.string())
        if normalised.equals(found):
            return texts, block
        texts = _replace(texts, rows, normalised)
        return texts, TextBlock(texts)

    def _limit(self, texts: pa.Array, block: TextBlock, max_chars: int) -> tuple[pa.Array, TextBlock, pa.Array | None]:
        """The texts, those too long cut short where that is asked for, and a mask of those that are too long still."""
        too_long = pc.greater(pc.utf8_length(texts), max_chars)
        if not pc.any(too_long).as_py():
            return texts, block, None
        if self._params.overlong == "reject":
            return texts, block, too_long
        rows = pa.array(np.flatnonzero(too_long.to_numpy(zero_copy_only=False)))
        # The character behind the cut says whether it falls between two; what more there is does not matter.
        heads = pc.utf8_slice_codeunits(texts.take(rows), 0, max_chars + 1).to_pylist()
        ends = [boundary(head, max_chars) for head in heads]
        # One cluster of marks may be longer than all that is allowed: it can't be cut.
        cut = pa.array([head[: end or None] for head, end in zip(heads, ends, strict=True)], pa.string())
        texts = _replace(texts, rows, cut)
        uncut = np.zeros(len(texts), bool)
        uncut[rows.to_numpy()[np.array(ends) == 0]] = True
        return texts, TextBlock(texts), pa.array(uncut) if uncut.any() else None


def _replace(texts: pa.Array, rows: pa.Array, replacements: pa.Array) -> pa.Array:
    mask = np.zeros(len(texts), bool)
    mask[rows.to_numpy()] = True
    return pc.replace_with_mask(texts, pa.array(mask), replacements)
