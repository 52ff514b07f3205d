"""Still images: bytes to upright RGB pixels and back, in bounded memory."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np

from ..types import Box, Picture, Pixels

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS: Final = 64_000_000
"""Pixels decoded at once: 0.6 GB at the peak (1 GB from WebP or with transparency). Above every camera's usual
mode (48 and 50 megapixels) and an A4 page scanned at 600 dpi (35). A JPEG of up to 4 times that is decoded at a
half, which libjpeg does without ever holding the whole: phones' 108 and 200 megapixel modes."""

MOST_BYTES: Final = 50_000_000
"""The largest still image file worth reading; a 200 megapixel JPEG has about 40 MB."""

_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
_JPEG: Final = ("JPEG", "MPO")
_HEIC: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})
_TURNED: Final = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap width and height."""

_CUT_OFF: Final = "cut off: the file ends before the image does; copy it again"

_MOST_SCANS: Final = 1000
"""Each scan of a progressive JPEG costs a pass over the whole image (libjpeg-turbo, "Two Issues with the JPEG
Standard"). Encoders write a few dozen; FF DA occurs fewer than 800 times by chance in `MOST_BYTES`."""

CROP_SIDE: Final = 320
"""Longer side of an evidence crop in pixels: a person can judge it, and a school year of them stays small."""

_GREY: Final = 127


class Unreadable(ValueError):
    """A file that cannot be shown to a recogniser; `reason` is a clause for people, without the file's name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def decode(data: bytes, *, longest: int | None = None) -> Picture:
    """The image in `data`: RGB, 8 bit, upright (EXIF orientation applied once), transparency on white.

    Of an animation the first frame. With `longest`, the caller needs no more than so many pixels on the longer
    side: the image comes at 1/2, 1/4 or 1/8 where that leaves at least `longest` (a JPEG never exists at full
    size then). The pixels are read-only. Raises Unreadable for anything empty, cut off, damaged, too large or no
    image; sizes are checked before pixels are decoded.
    """
    if not data:
        raise Unreadable("the file is empty")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC:
        raise Unreadable("a HEIC photo, which cannot be read here; export it as JPEG")
    try:
        with open_image(data) as image:
            factor = _factor(image.size, longest)
            _refuse_bombs(image, data, factor)
            if image.format in _JPEG:
                _refuse_unfinished_copy(data)
            return _decoded(image, factor)
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable("too large for this machine's memory") from None
    except Exception as problem:  # Pillow's parsers raise whatever they stumble upon
        raise Unreadable(_reason(problem)) from problem


def encode_jpeg(pixels: Pixels, quality: int = 90) -> bytes:
    """`pixels` as a JPEG file without any metadata."""
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(target, "JPEG", quality=quality)
    return target.getvalue()


def cut(picture: Picture, box: Box, margin: float, without: Iterable[Box] = ()) -> Picture:
    """The part of `picture` around `box`, a picture of its own that shares the pixels.

    `margin` is added on each side, as a share of the box's width and height, as far as the picture goes. What it shows
    of the boxes `without`, outside `box`, is painted grey: then it has pixels of its own.
    """
    rows, columns = _around(picture, box, margin)
    pixels = picture.pixels[rows, columns]
    hidden = np.zeros(pixels.shape[:2], bool)
    for other in without:
        down, right = _around(picture, other, 0)
        hidden[_within(down, rows), _within(right, columns)] = True
    if hidden.any():
        down, right = _around(picture, box, 0)
        hidden[_within(down, rows), _within(right, columns)] = False
        pixels = np.where(hidden[..., None], np.uint8(_GREY), pixels)
    return Picture(
        pixels, round(pixels.shape[1] / picture.scale), round(pixels.shape[0] / picture.scale), picture.scale
    )


def enlarged(picture: Picture, factor: float) -> Picture:
    """The pixels `factor` times as wide and high, as a picture of that size."""
    from PIL import Image

    height, width = (max(1, round(side * factor)) for side in picture.pixels.shape[:2])
    pixels = np.asarray(
        Image.fromarray(np.ascontiguousarray(picture.pixels)).resize((width, height), Image.Resampling.BICUBIC)
    )
    return Picture(pixels, width, height)


def _around(picture: Picture, box: Box, margin: float) -> tuple[slice, slice]:
    """The rows and columns of the picture's pixels."""
    height, width = picture.pixels.shape[:2]
    left, right = _clamped(box.x - margin * box.w, box.x + (1 + margin) * box.w, picture.scale, width)
    top, bottom = _clamped(box.y - margin * box.h, box.y + (1 + margin) * box.h, picture.scale, height)
    return slice(top, bottom), slice(left, right)


def _within(part: slice, whole: slice) -> slice:
    """Where `part` lies in `whole`, as far as it does."""
    return slice(max(part.start - whole.start, 0), max(part.stop - whole.start, 0))


def crop_jpeg(
    picture: Picture, box: Box, margin: float = 0.3, without: Iterable[Box] = (), *, longest: int = CROP_SIDE
) -> bytes:
    """What `cut` gives as a JPEG without metadata, at most `longest` pixels on the longer side."""
    from PIL import Image

    crop = Image.fromarray(np.ascontiguousarray(cut(picture, box, margin, without).pixels))
    crop.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return encode_jpeg(np.asarray(crop))


def open_image(data: bytes) -> Image.Image:
    """Pillow's image with its header read and its pixels not; raises what Pillow raises."""
    import warnings

    from PIL import Image

    Image.MAX_IMAGE_PIXELS = 4 * MOST_PIXELS  # Pillow's own guard would refuse JPEGs that are decoded at a half
    warnings.filterwarnings("ignore", module="PIL")  # else it remarks on odd metadata on stderr
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _factor(size: tuple[int, int], longest: int | None) -> int:
    """By how much to reduce: 1, 2, 4 or 8."""
    factor = 1
    while factor < 8 and min(size) >= 2 * factor:
        too_many = size[0] * size[1] > MOST_PIXELS * factor**2
        if not too_many and (longest is None or max(size) < 2 * factor * longest):
            break
        factor *= 2
    return factor


def _refuse_bombs(image: Image.Image, data: bytes, factor: int) -> None:
    pixels = image.width * image.height
    in_parts = image.format in _JPEG and not _needs_whole(image, data)
    if pixels > (4 * MOST_PIXELS if in_parts else MOST_PIXELS) or pixels > MOST_PIXELS * factor**2:
        raise Unreadable(
            f"{image.width}×{image.height} pixels are too many; save it with at most {MOST_PIXELS // 10**6} megapixels"
        )
    if "progressive" in image.info and data.count(b"\xff\xda") > _MOST_SCANS:
        raise Unreadable("a JPEG with absurdly many scans, made to keep a machine busy")


def _needs_whole(image: Image.Image, data: bytes) -> bool:
    """Whether libjpeg must hold every coefficient of this JPEG: progressive, or a first scan that lacks a channel."""
    scan = _first_scan(data)
    return "progressive" in image.info or data[scan + 4 : scan + 5] != bytes([len(image.getbands())])


def _refuse_unfinished_copy(data: bytes) -> None:
    """A JPEG whose end is still zeros: Windows reserves a file's whole length before it copies.

    Other missing ends libjpeg notices itself, and what cameras append after the end of the image is fine.
    """
    if data.endswith(bytes(16)) and b"\xff\xd9" not in data[_first_scan(data) :]:
        raise Unreadable(_CUT_OFF)


def _first_scan(data: bytes) -> int:
    """Where the first SOS marker of a JPEG is; where the walk through its segments ends if there is none."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] not in (b"\xda", b""):
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at


def _decoded(image: Image.Image, factor: int) -> Picture:
    from PIL import ImageOps

    width, height = image.size
    if image.format in _JPEG:
        if image.getexif().get(0x0112) in _TURNED:
            width, height = height, width
        image.draft(None, (max(1, image.width // factor), max(1, image.height // factor)))
    ImageOps.exif_transpose(image, in_place=True)
    upright = _rgb(image)
    if image.format not in _JPEG:
        width, height = upright.size
        if factor > 1:
            upright = upright.reduce(factor)
    return Picture(np.asarray(upright), width, height, 1 / factor)


def _rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode == "RGB":
        return image
    if image.mode.startswith("I;16"):  # Pillow would clip 16 bits at 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise Unreadable("holds measurements of more than 16 bits, not a photograph; save it as JPEG")
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(layers, mask=layers.getchannel("A"))
        return white
    return image.convert("RGB")


def _reason(problem: Exception) -> str:
    from PIL import Image, UnidentifiedImageError

    text = str(problem).lower()
    if isinstance(problem, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"far too many pixels; save it with at most {MOST_PIXELS // 10**6} megapixels"
    if isinstance(problem, UnidentifiedImageError):
        return "not an image, or its beginning is damaged; JPEG, PNG, GIF, WebP, BMP, TIFF and AVIF can be read"
    if isinstance(problem, EOFError) or "truncated" in text or "incomplete" in text:
        return _CUT_OFF
    return "damaged: the image cannot be decoded; copy or export it again"


def _clamped(low: float, high: float, scale: float, end: int) -> tuple[int, int]:
    """A stretch of at least one pixel within [0, end)."""
    start = min(max(int(low * scale), 0), end - 1)
    return start, max(start + 1, min(int(np.ceil(high * scale)), end))
