"""Contact sheets show what decodes, and say what does not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.contact_sheet import draw_sheet, rejected_sheet, thumbnail


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


@pytest.mark.parametrize(
    ("image", "form", "size"),
    [
        (Image.new("L", (28, 28), 200), "PNG", (84, 84)),
        (Image.new("RGB", (400, 100), "red"), "JPEG", (96, 24)),
        (Image.new("CMYK", (100, 200)), "JPEG", (48, 96)),
        (Image.new("P", (10, 10)), "GIF", (90, 90)),
        (Image.new("RGBA", (96, 96)), "PNG", (96, 96)),
    ],
)
def test_thumbnails_of_all_kinds_are_rgb_within_bounds(image: Image.Image, form: str, size: tuple[int, int]) -> None:
    small = thumbnail(encoded(image, form))
    assert small is not None
    assert (small.mode, small.size) == ("RGB", size)


def test_what_is_transparent_lies_on_white() -> None:
    small = thumbnail(encoded(Image.new("RGBA", (50, 50), (255, 0, 0, 0))))
    assert small is not None
    assert small.getpixel((10, 10)) == (255, 255, 255)


def test_16_bits_are_not_clipped() -> None:
    ramp = np.arange(96 * 96, dtype=np.uint16).reshape(96, 96) * 7
    small = thumbnail(encoded(Image.fromarray(ramp)))
    assert small is not None
    assert 80 < np.asarray(small).mean() < 175


def test_what_does_not_decode_has_no_thumbnail(monkeypatch: pytest.MonkeyPatch) -> None:
    jpeg = encoded(Image.effect_noise((300, 300), 50), "JPEG")
    assert [thumbnail(broken) for broken in (b"", b"text", jpeg[:2000])] == [None] * 3
    monkeypatch.setattr("components.contact_sheet.MAX_PIXELS", 100)
    assert thumbnail(encoded(Image.new("L", (11, 10)))) is None


def test_a_sheet_has_nine_tiles_a_row() -> None:
    tiles = [(Image.new("RGB", (96, 96), "red"), "")] * 10
    sheet = draw_sheet("title " * 100, tiles)
    assert sheet.size == (9 * 102 + 6, 30 + 2 * 102 + 6)
    assert sheet.getpixel((50, 180)) == (255, 0, 0)
    assert sheet.getpixel((150, 180)) == (255, 255, 255)


def test_rejected_images_are_shown_with_their_rule(tmp_path: Path) -> None:
    assert rejected_sheet(tmp_path) is None
    (tmp_path / "rejected").mkdir()
    (tmp_path / "rejected" / "000_duplicate.png").write_bytes(encoded(Image.new("RGB", (96, 96), "red")))
    (tmp_path / "rejected" / "001_truncated.png").write_bytes(b"\x89PNG")
    figure = rejected_sheet(tmp_path)
    assert figure is not None
    figure.savefig(tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
    assert pixels[60, 50].tolist() == [255, 0, 0]
    assert pixels[60, 150].tolist() == [205, 205, 205]
