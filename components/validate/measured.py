"""The columns of images and texts, and those that ingest measures of them.

An image column X has X_width, X_contrast and so on beside it, a text column T has T_num_words and so on: see docs/data.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

NEARLY_EMPTY_CONTRAST = 0.01
"""An image whose luminance (0..1) has a smaller standard deviation shows next to nothing."""

Range = tuple[float, float | None]
IMAGE_RANGES: dict[str, Range] = {
    "width": (1, None),
    "height": (1, None),
    "channels": (1, 4),
    "copies": (0, None),
    "aspect": (0.0, None),
    "brightness": (0.0, 1.0),
    "contrast": (NEARLY_EMPTY_CONTRAST, 1.0),
}
"""Suffix of a number measured of an image → (least that it should be, most that it can be; None: no limit)."""
TEXT_RANGES: dict[str, Range] = {"num_chars": (1, None), "num_words": (1, None)}
"""Likewise of a text."""


@dataclass(frozen=True)
class Columns:
    """What validation must know of the columns.

    Attributes:
        label: None if there is none.
        images: Features that hold encoded images.
        texts: Features that hold texts.
        shapes: Feature → shape, of those that always hold as many numbers: the rows of a window.
    """

    label: str | None
    images: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def to_json(self) -> str:
        """For a component's parameter."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Columns:
        """The inverse of `to_json`."""
        values = json.loads(text)
        return cls(values["label"], tuple(values["images"]), tuple(values["texts"]), values["shapes"])
