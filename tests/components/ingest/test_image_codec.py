"""Every kind of image: what is kept, what is written anew, what is refused, and that TensorFlow reads what is left."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from components.ingest.image_codec import CONVERSIONS, FORMATS, Checked, Limits, UnusableImageError, check, encode_png
from tests.components.ingest.image_files import encoded, film, picture, png, rotated_jpeg

LIMITS = Limits(10_000, "reject")
FIRST_FRAME = Limits(10_000, "first_frame")


def reasons(image: Checked) -> list[str]:
    return [name for bit, name in enumerate(CONVERSIONS) if image.converted & 1 << bit]


def refused(content: bytes, limits: Limits = LIMITS) -> tuple[str, str, str, str]:
    with pytest.raises(UnusableImageError) as error:
        check(content, limits)
    return error.value.rule, error.value.problem, error.value.expected, error.value.fix


def opened(image: Checked) -> Image.Image:
    return Image.open(io.BytesIO(image.content))


def gray16() -> tuple[np.ndarray, Image.Image]:
    values = np.linspace(0, 65535, 96).astype(np.uint16).reshape(8, 12)
    return values, Image.fromarray(values)


KEPT = {
    "gray": (encoded(picture(mode="L")), 1),
    "color": (encoded(picture()), 3),
    "alpha": (encoded(picture(mode="RGBA")), 4),
    "one bit": (encoded(picture(mode="1")), 1),
    "two bits": (encoded(picture().quantize(3)), 3),
    "palette": (encoded(picture().quantize(200)), 3),
    "palette with transparency": (encoded(picture().quantize(200), transparency=3), 4),
    "gray with a transparent value": (encoded(picture(mode="L"), transparency=3), 1),
    "color with a transparent value": (encoded(picture(), transparency=(1, 2, 3)), 3),
    "gray JPEG": (encoded(picture(mode="L"), "JPEG"), 1),
    "color JPEG": (encoded(picture(), "JPEG"), 3),
    "progressive JPEG": (encoded(picture(), "JPEG", progressive=True), 3),
    "upright JPEG": (rotated_jpeg(1), 1),
    "camera's JPEG of two pictures": (film("MPO"), 3),
    "bytes after the end": (png() + b"more", 1),
}


@pytest.mark.parametrize("kind", KEPT)
def test_what_every_decoder_reads_is_kept_to_the_byte(kind: str) -> None:
    content, channels = KEPT[kind]
    image = check(content, LIMITS)
    assert image.content == content
    size = opened(image).size
    assert (image.width, image.height, image.channels, image.converted) == (*size, channels, 0)
    assert FORMATS[image.format] == ("JPEG" if "JPEG" in kind else "PNG")


WRITTEN_ANEW = {
    "cmyk": (encoded(picture(mode="CMYK"), "JPEG"), "JPEG", 3),
    "gray_alpha": (encoded(picture(mode="LA")), "PNG", 4),
    "GIF": (encoded(picture().quantize(50), "GIF"), "GIF", 3),
    "BMP": (encoded(picture(), "BMP"), "BMP", 3),
    "BMP of one bit": (encoded(picture(mode="1"), "BMP"), "BMP", 1),
    "TIFF": (encoded(picture(), "TIFF"), "TIFF", 3),
    "WEBP": (encoded(picture(), "WEBP", lossless=True), "WEBP", 3),
    "PPM": (encoded(picture(mode="L"), "PPM"), "PPM", 1),
}


@pytest.mark.parametrize("kind", WRITTEN_ANEW)
def test_the_rest_is_written_anew_with_the_same_pixels(kind: str) -> None:
    content, found, channels = WRITTEN_ANEW[kind]
    image = check(content, LIMITS)
    assert FORMATS[image.format] == found
    assert reasons(image) == [kind] if kind in CONVERSIONS else ["format"]
    written = opened(image)
    assert written.format == "PNG"
    assert len(written.getbands()) == image.channels == channels
    assert np.array_equal(written, Image.open(io.BytesIO(content)).convert(written.mode))


def test_a_cmyk_tiff_counts_for_both_reasons() -> None:
    assert reasons(check(encoded(picture(mode="CMYK"), "TIFF"), LIMITS)) == ["cmyk", "format"]


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_become_eight_by_scaling(image_format: str) -> None:
    values, source = gray16()
    image = check(encoded(source, image_format), LIMITS)
    assert "sixteen_bit" in reasons(image)
    assert np.array_equal(opened(image), np.round(values / 257).astype(np.uint8))


def test_sixteen_bits_of_color() -> None:
    values = np.linspace(0, 65535, 96 * 3).astype(">u2").reshape(8, 12 * 3)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    content = encode_png(rows, 12, 8, 3).replace(
        *(_chunk(b"IHDR", struct.pack(">IIBBBBB", 12, 8, bits, 2, 0, 0, 0)) for bits in (8, 16))
    )
    image = check(content, LIMITS)
    assert reasons(image) == ["sixteen_bit"]
    assert np.abs(np.asarray(opened(image), int).reshape(8, -1) - values / 257).max() <= 1


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_numbers_of_32_bits_have_no_range() -> None:
    assert refused(encoded(picture(mode="F"), "TIFF")) == (
        "image",
        "the image holds numbers of 32 bits",
        "8 or 16 bits a channel",
        "Save it with 8 bits",
    )


@pytest.mark.parametrize(("orientation", "first"), [(2, "row"), (3, "row"), (6, "column"), (8, "column")])
def test_rotated_images_are_turned_upright(orientation: int, first: str) -> None:
    image = check(rotated_jpeg(orientation), LIMITS)
    assert reasons(image) == ["rotated"]
    assert (image.width, image.height) == ((32, 16) if first == "row" else (16, 32))
    written = opened(image)
    assert (written.format, written.getexif().get(0x0112)) == ("JPEG", None)
    pixels = np.asarray(written)
    # Where the chip's right half, which is white, now lies: quarter turns clockwise (6) and against it (8).
    white = {2: pixels[:, :16], 3: pixels[:, :16], 6: pixels[16:], 8: pixels[:16]}[orientation]
    assert white.mean() > 250
    assert pixels.mean() == pytest.approx(127.5, abs=3)


def test_a_rotated_png_is_turned_without_loss() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = check(encoded(picture(), exif=exif), LIMITS)
    assert reasons(image) == ["rotated"]
    assert np.array_equal(opened(image), np.rot90(np.asarray(picture()), -1))


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations(image_format: str) -> None:
    options = {"lossless": True} if image_format == "WEBP" else {}
    first, *others = [picture(seed) for seed in range(3)]
    content = encoded(first, image_format, save_all=True, append_images=others, **options)
    assert refused(content) == (
        "animated",
        "the image has 3 frames",
        "one",
        "Save one frame, or set animated: first_frame in data.images to take the first",
    )
    image = check(content, FIRST_FRAME)
    assert "first_frame" in reasons(image)
    if image_format != "GIF":  # whose palette has too few colours
        assert np.array_equal(opened(image).convert("RGB"), first)


EXPECTED = "an image that decodes to its end"
FIX = "Mend or remove the file"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"this is no image at all", "it is no image: it begins with 'this is no i'"),
        (b"\xff\xd8", "it does not decode: its header is damaged"),
        (png()[:-13], "the file is truncated"),
        (png()[:-12], "the file is truncated"),
        (png()[:20], "the file is truncated"),
        (png()[:50] + b"!" + png()[51:], "the checksum of its chunk 'IDAT' is wrong"),
        (encoded(picture(size=(64, 64)), "JPEG")[:-2], "the file is truncated"),
        (encoded(picture(), "BMP")[:-9], "the file is truncated"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is no image: it begins with '%!PS-Adobe-3'"),
    ],
)
def test_what_is_no_image(content: bytes, problem: str) -> None:
    assert refused(content) == ("image", problem, EXPECTED, FIX)


def test_a_jpeg_that_is_cut_off() -> None:
    content = encoded(picture(size=(64, 64)), "JPEG")
    assert refused(content[: len(content) // 2])[:2] == ("image", "the file is truncated")


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_too_many_pixels_are_refused_unread(image_format: str) -> None:
    content = encoded(picture(size=(40, 30)), image_format)
    assert refused(content[:-20] if image_format == "PNG" else content, Limits(1199, "reject")) == (
        "pixels",
        "the image has 40 × 30 pixels",
        "at most 1,199, as max_pixels of data.images says",
        "Shrink the image, or raise max_pixels",
    )
    assert check(content, Limits(1200, "reject")).width == 40


def test_a_bomb_is_refused_from_its_header() -> None:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0))
    assert refused(b"\x89PNG\r\n\x1a\n" + header)[:2] == ("pixels", "the image has 100,000 × 100,000 pixels")


def test_luminance_is_that_of_pillow() -> None:
    assert check(encoded(picture()), LIMITS).luminance == picture().convert("L").tobytes()


def test_large_images_are_measured_on_a_reduced_copy() -> None:
    image = picture(size=(600, 300))
    limits = Limits(10**6, "reject")
    assert check(encoded(image), limits).luminance == image.reduce(4).convert("L").tobytes()
    jpeg = np.frombuffer(check(encoded(image, "JPEG", quality=95), limits).luminance, np.uint8)
    assert len(jpeg) == 150 * 75
    assert jpeg.mean() == pytest.approx(np.asarray(image.convert("L")).mean(), abs=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KEPT, *WRITTEN_ANEW])
def test_tensorflow_reads_the_same_pixels(kind: str) -> None:
    import tensorflow as tf

    image = check(KEPT[kind][0] if kind in KEPT else WRITTEN_ANEW[kind][0], LIMITS)
    decoded = tf.io.decode_image(image.content).numpy()
    assert decoded.shape == (image.height, image.width, image.channels)
    assert decoded.dtype == np.uint8
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[image.channels]
    expected = np.asarray(opened(image).convert(mode), int).reshape(decoded.shape)
    # The two link other versions of libjpeg.
    assert np.abs(decoded - expected).max() <= (4 if "JPEG" in kind else 0)
    for channels in (1, 3):  # a recipe's own choice
        assert tf.io.decode_image(image.content, channels=channels).shape == (image.height, image.width, channels)


@pytest.mark.slow
@pytest.mark.parametrize("image_format", ["PNG", "JPEG"])
def test_tensorflow_reads_whatever_damaged_file_passes(image_format: str) -> None:
    import tensorflow as tf

    content = encoded(picture(size=(24, 20)), image_format)
    rng = np.random.default_rng(0)
    damaged = [content[:length] for length in range(1, len(content))]
    for _ in range(300):
        changed = bytearray(content)
        changed[rng.integers(len(content))] = rng.integers(256)
        damaged.append(bytes(changed))
    num_passed = 0
    for each in damaged:
        try:
            image = check(each, LIMITS)
        except UnusableImageError:
            continue
        num_passed += 1
        assert tf.io.decode_image(image.content, expand_animations=False).shape == (image.height, image.width, image.channels)
    assert num_passed < len(damaged) / 2
