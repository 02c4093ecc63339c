"""One encoded image: whether it decodes to its end, what it measures, and the form in which examples hold it.

Examples hold PNG and JPEG alone, upright and of 8 bits a channel, so that every reader gives the same pixels: TensorFlow's
decoders know no TIFF, no WebP and no EXIF, make a film of a GIF, and give a BMP in no other channels than its own. What is
such a PNG or JPEG stays as it is, byte for byte. Imports Pillow alone, since every worker process imports this module.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Literal, NamedTuple

from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF", "array")
"""What images may be written as, by Pillow's names; the last are pixels of a NumPy array. EPS is not among them: to read one
is to run a program."""
CONVERSIONS = ("first_frame", "sixteen_bit", "cmyk", "rotated", "gray_alpha", "format", "array")
"""Why an image was written anew; an index is a bit of `Checked.converted`."""
_FIRST_FRAME, _SIXTEEN_BIT, _CMYK, _ROTATED, _GRAY_ALPHA, _FORMAT, _ARRAY = (1 << bit for bit in range(len(CONVERSIONS)))
ARRAY_CONVERTED = _ARRAY
LEAST_SIDE = 64
"""Brightness and contrast are measured on a copy, reduced by a whole factor to no less than this on its shorter side."""
JPEG_QUALITY = 95
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_MODES = {0: "L", 2: "RGB", 6: "RGBA"}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_ORIENTATION = 0x0112
_SET_ASIDE_FIX = "Mend or remove the file"

# Our own limit, data.images.COLUMN.max_pixels, judges in place of Pillow's.
Image.MAX_IMAGE_PIXELS = None


class Limits(NamedTuple):
    """What `data.images` says of a column."""

    max_pixels: int
    animated: Literal["reject", "first_frame"]


class Checked(NamedTuple):
    """A good image.

    Attributes:
        content: What examples hold.
        width: In pixels, upright.
        height: In pixels, upright.
        channels: 1, 3 or 4; of `content`.
        format: Of the file: index into `FORMATS`.
        luminance: 8 bits a pixel, of the image or a reduced copy.
        converted: Why `content` differs from the file, as bits; see `CONVERSIONS`.
    """

    content: bytes
    width: int
    height: int
    channels: int
    format: int
    luminance: bytes
    converted: int


class UnusableImageError(Exception):
    """An image that examples can't hold; `rule` is one of `source.Rule`."""

    def __init__(self, rule: str, problem: str, expected: str, fix: str = _SET_ASIDE_FIX) -> None:
        super().__init__(problem)
        self.rule, self.problem, self.expected, self.fix = rule, problem, expected, fix


def check(content: bytes, limits: Limits) -> Checked:
    """Decodes the image to its end.

    Raises: UnusableImageError if it is none, is damaged, too large, or animated where `limits` don't allow it.
    """
    if not content:
        raise _no_image("the file is empty")
    try:
        if content.startswith(_PNG_SIGNATURE):
            return _check_png(content, limits)
        if content.startswith(b"\xff\xd8"):
            return _check_jpeg(content, limits)
        return _check_other(content, limits)
    except (UnusableImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise _no_image("it does not decode: its header is damaged") from None
    except Exception as error:  # Pillow's readers raise whatever damaged bytes lead them to
        if "truncated" in str(error):
            raise _no_image("the file is truncated") from error
        raise _no_image(f"it does not decode: {str(error) or type(error).__name__}") from error


def encode_png(rows: bytes, width: int, height: int, channels: int) -> bytes:
    """Pixels as a PNG.

    Args:
        rows: Each row behind the byte that names its filter, 8 bits a channel.
        width: In pixels.
        height: In pixels.
        channels: 1, 3 or 4.
    """
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = [_PNG_SIGNATURE]
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")):
        chunks += [struct.pack(">I", len(body)), kind, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))]
    return b"".join(chunks)


def _no_image(problem: str) -> UnusableImageError:
    return UnusableImageError("image", problem, "an image that decodes to its end")


def _check_size(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise UnusableImageError(
            "pixels",
            f"the image has {width:,} × {height:,} pixels",
            f"at most {limits.max_pixels:,}, as max_pixels of data.images says",
            "Shrink the image, or raise max_pixels",
        )
    if not width or not height:
        raise _no_image("the image has no pixels")


def _check_frames(number: int, limits: Limits) -> None:
    if limits.animated == "reject":
        raise UnusableImageError(
            "animated",
            f"the image has {number:,} frames",
            "one",
            "Save one frame, or set animated: first_frame in data.images to take the first",
        )


def _check_png(content: bytes, limits: Limits) -> Checked:
    """PNGs of 8 bits a channel are decoded from their chunks, which takes a third of the time that Pillow's reader takes."""
    width, height, bits, color, interlaced, is_transparent, num_frames, is_marked, data = _png_chunks(content, limits)
    is_plain = bits == 8 and color in _PNG_MODES and num_frames < 2 and not is_marked
    if is_plain:
        image = Image.frombytes(_PNG_MODES[color], (width, height), data, "zip", _PNG_MODES[color], interlaced)
        return Checked(content, width, height, _PNG_CHANNELS[color], 1, _luminance(image), 0)
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        if num_frames > 1:
            _check_frames(num_frames, limits)
        image.load()
        orientation = image.getexif().get(_ORIENTATION, 1)
        if bits <= 8 and num_frames < 2 and color != 4 and orientation in (0, 1):
            channels = 4 if color == 3 and is_transparent else _PNG_CHANNELS[color]
            return Checked(content, width, height, channels, 1, _luminance(image), 0)
        why = (_FIRST_FRAME if num_frames > 1 else 0) | (_SIXTEEN_BIT if bits == 16 else 0)
        return _convert(image, 1, why | (_GRAY_ALPHA if color == 4 and bits <= 8 else 0))


def _png_chunks(content: bytes, limits: Limits) -> tuple[int, int, int, int, int, bool, int, bool, bytes]:
    """What the chunks tell: width, height, bits a channel, colour type, interlaced, transparent colours, frames, EXIF, pixels.

    Walks to the last chunk, since libpng, other than Pillow, takes no file that lacks it.
    """
    position, size = len(_PNG_SIGNATURE), len(content)
    header: tuple[int, ...] = ()
    parts: list[bytes] = []
    is_transparent, num_frames, is_marked = False, 1, False
    while True:
        body = position + 8
        end = body + int.from_bytes(content[position : position + 4], "big")
        if end + 4 > size:
            raise _no_image("the file is truncated")
        kind = content[position + 4 : body]
        # Chunks whose name begins with a capital letter are critical: damaged, they make the image unreadable.
        if kind[0] < 0x60 and zlib.crc32(content[position + 4 : end]) != int.from_bytes(content[end : end + 4], "big"):
            raise _no_image(f"the checksum of its chunk {kind.decode('latin-1')!r} is wrong")
        if kind == b"IDAT":
            parts.append(content[body:end])
        elif kind == b"IHDR":
            header = struct.unpack_from(">IIBBBBB", content, body)
            _check_size((header[0], header[1]), limits)
        elif kind == b"IEND":
            break
        elif kind == b"tRNS":
            is_transparent = True
        elif kind == b"acTL":
            num_frames = int.from_bytes(content[body : body + 4], "big")
        elif kind == b"eXIf":
            is_marked = True
        position = end + 4
    if not header or not parts:
        raise _no_image("the file lacks its header or its pixels")
    width, height, bits, color, _, _, interlaced = header
    return width, height, bits, color, interlaced, is_transparent, num_frames, is_marked, b"".join(parts)


def _check_jpeg(content: bytes, limits: Limits) -> Checked:
    with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:  # of cameras' MPO the first picture
        _check_size(image.size, limits)
        width, height = image.size
        orientation = image.getexif().get(_ORIENTATION, 1) if "exif" in image.info else 1
        if image.mode not in ("L", "RGB") or orientation not in (0, 1):
            image.load()
            return _convert(image, 0, _CMYK if image.mode == "CMYK" else 0)
        channels = 1 if image.mode == "L" else 3
        # Every coded coefficient is read whatever the scale, so this finds what is cut off or damaged as full size would; and
        # luminance is a channel of its own.
        factor = max(1, min(width, height) // LEAST_SIDE)
        if image.format == "JPEG":
            image.draft("L", (max(1, width // factor), max(1, height // factor)))
        image.load()
        # TensorFlow, other than Pillow, wants the end marker too; coded pixels, after the last SOS, never look like one.
        if not content.endswith(b"\xff\xd9") and content.find(b"\xff\xd9", content.rfind(b"\xff\xda")) < 0:
            raise _no_image("the file is truncated")
        return Checked(content, width, height, channels, 0, _luminance(image), 0)


def _check_other(content: bytes, limits: Limits) -> Checked:
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS[2:-1])
    except UnidentifiedImageError:
        raise _no_image("it is no image: it begins with " + repr(content[:12])[1:]) from None
    with image:
        _check_size(image.size, limits)
        num_frames = getattr(image, "n_frames", 1)
        if num_frames > 1:
            _check_frames(num_frames, limits)
        image.seek(0)
        image.load()
        _check_size(image.size, limits)
        why = (_FIRST_FRAME if num_frames > 1 else 0) | (_CMYK if image.mode == "CMYK" else 0)
        return _convert(image, FORMATS.index(image.format or ""), why | _FORMAT)


def _convert(image: Image.Image, image_format: int, why: int) -> Checked:
    """Writes a decoded image anew: upright, 8 bits a channel; a JPEG as JPEG unless it was CMYK, all else as PNG."""
    orientation = image.getexif().get(_ORIENTATION, 1)
    if orientation not in (0, 1):
        from PIL import ImageOps

        why |= _ROTATED
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        why |= _SIXTEEN_BIT
        # From 0…65535 to 0…255, rounded: 257 is what an 8-bit step is in 16 bits.
        image = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    elif image.mode in ("I", "F"):
        raise UnusableImageError(
            "image", "the image holds numbers of 32 bits", "8 or 16 bits a channel", "Save it with 8 bits"
        )
    elif image.mode in ("LA", "La", "PA", "RGBa"):
        image = image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGB")
    image.info = {}
    written = io.BytesIO()
    if image_format == 0 and not why & _CMYK:
        image.save(written, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        image.save(written, "PNG", compress_level=1)
    return Checked(written.getvalue(), image.width, image.height, len(image.getbands()), image_format, _luminance(image), why)


def _luminance(image: Image.Image) -> bytes:
    factor = min(image.size) // LEAST_SIDE
    if factor > 1 and image.mode not in ("P", "1", "I;16"):
        image = image.reduce(factor)
    return (image if image.mode == "L" else image.convert("L")).tobytes()
