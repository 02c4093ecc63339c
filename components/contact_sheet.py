"""Contact sheets: many small images in one picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

THUMBNAIL_PX = 96
"""Longest side of a thumbnail."""
NUM_COLUMNS = 9
MAX_TILES = 36
MAX_PIXELS = 50_000_000
"""Larger images are not decoded for a thumbnail."""

_GAP_PX = 6
_TITLE_PX = 15
_CAPTION_PX = 10
_CAPTION_LINE_PX = 13
_NUM_CAPTION_LINES = 2
_BACKGROUND = (255, 255, 255)
_INK = (40, 40, 40)
_GREY = (205, 205, 205)


def thumbnail(encoded: bytes) -> Image | None:
    """An encoded image within THUMBNAIL_PX × THUMBNAIL_PX, RGB, on white where it is transparent; None if it does not decode,
    or is too large to.

    Tiny images are enlarged by a whole factor, so that their pixels stay what they are.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded)) as image:
            image.draft("RGB", (2 * THUMBNAIL_PX, 2 * THUMBNAIL_PX))  # a JPEG need not be decoded in full size
            if image.width * image.height > MAX_PIXELS:
                return None
            image.load()
            small = _in_colour(image)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):  # Pillow raises them for broken files
        return None
    factor = THUMBNAIL_PX // max(small.size)
    if factor > 1:
        small = small.resize((small.width * factor, small.height * factor), Image.Resampling.NEAREST)
    else:
        small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    if small.mode == "RGBA":
        small = Image.alpha_composite(Image.new("RGBA", small.size, (*_BACKGROUND, 255)), small).convert("RGB")
    return small


def _in_colour(image: Image) -> Image:
    """The image as RGB, or RGBA where something is transparent."""
    import numpy as np
    from PIL import Image

    if image.mode == "F" or image.mode.startswith("I"):  # more than 8 bits, which Pillow would clip at 255
        values = np.asarray(image, np.float64)
        low, high = values.min(), values.max()
        return Image.fromarray((255 * (values - low) / max(high - low, 1e-9)).astype(np.uint8)).convert("RGB")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def draw_sheet(title: str, tiles: Sequence[tuple[Image | None, str]]) -> Image:
    """The tiles in rows of NUM_COLUMNS, below a title.

    Args:
        title: One line; cut where the sheet ends.
        tiles: (thumbnail, or None for a grey square; caption, which may be empty).
    """
    from PIL import Image, ImageDraw

    caption_px = _NUM_CAPTION_LINES * _CAPTION_LINE_PX + 2 if any(caption for _, caption in tiles) else 0
    cell = (THUMBNAIL_PX + _GAP_PX, THUMBNAIL_PX + _GAP_PX + caption_px)
    num_rows = -(-len(tiles) // NUM_COLUMNS)
    top = 2 * _TITLE_PX
    sheet = Image.new("RGB", (NUM_COLUMNS * cell[0] + _GAP_PX, top + num_rows * cell[1] + _GAP_PX), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP_PX, _GAP_PX), _cut(title, _font(_TITLE_PX), sheet.width - 2 * _GAP_PX), _INK, _font(_TITLE_PX))
    for index, (image, caption) in enumerate(tiles):
        x = _GAP_PX + index % NUM_COLUMNS * cell[0]
        y = top + index // NUM_COLUMNS * cell[1]
        tile = image or Image.new("RGB", (THUMBNAIL_PX, THUMBNAIL_PX), _GREY)
        # In the middle of its cell, above the caption.
        sheet.paste(tile, (x + (THUMBNAIL_PX - tile.width) // 2, y + (THUMBNAIL_PX - tile.height) // 2))
        for line, text in enumerate(_wrapped(caption, _font(_CAPTION_PX), THUMBNAIL_PX)):
            draw.text((x, y + THUMBNAIL_PX + 2 + line * _CAPTION_LINE_PX), text, _INK, _font(_CAPTION_PX))
    return sheet


def as_figure(image: Image) -> Figure:
    """The image as a figure, pixel for pixel, for those who log figures."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    dpi = 100
    figure = Figure(figsize=(image.width / dpi, image.height / dpi), dpi=dpi)
    FigureCanvasAgg(figure)
    figure.figimage(np.asarray(image))
    return figure


def rejected_sheet(folder: Path) -> Figure | None:
    """What ingest rejected of the images, each with its rule; None if it kept none.

    Args:
        folder: The artifact `ingest_report`, which holds the files as `rejected/NNN_RULE.EXT`.
    """
    files = sorted((folder / "rejected").glob("*"))[:MAX_TILES]
    if not files:
        return None
    # The rule is what stands between the number and the extension.
    tiles = [(thumbnail(file.read_bytes()), file.stem.partition("_")[2]) for file in files]
    return as_figure(draw_sheet(f"rejected by ingest: {len(files)} shown; all are listed in rejects.csv", tiles))


@cache
def _font(size: int) -> FreeTypeFont:
    """Matplotlib's own font: the same everywhere, with more scripts than Pillow's."""
    import matplotlib as mpl
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _wrapped(text: str, font: FreeTypeFont, width: int) -> list[str]:
    """The text in at most _NUM_CAPTION_LINES lines, broken between words; the last one is cut."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width and len(lines) < _NUM_CAPTION_LINES:
            lines.append(word)
        else:
            lines[-1] = longer
    return [_cut(line, font, width) for line in lines]


def _cut(text: str, font: FreeTypeFont, width: int) -> str:
    """The text, shortened until it is no wider than `width` pixels."""
    text = "".join(character if character.isprintable() else " " for character in text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
