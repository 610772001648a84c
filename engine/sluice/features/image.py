"""An image to rows of pixels: decoded within limits, upright, RGB, squashed to squares."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

from sluice.contract import MAX_IMAGE_ROWS
from sluice.errors import MediaInvalid
from sluice.features import IMAGE_SIZE_PX, Features, ImageRow

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
MAX_PIXELS = 64 * 10**6
"""By the header, before anything is decoded: 64 megapixels are 256 MB as RGBA."""
MAX_FRAMES = 4
MAX_TILES = 4
MAX_ROWS = MAX_IMAGE_ROWS
_MIN_SIDE_PX = 2
_MAX_PLAIN_ASPECT = 2.0
"""Up to here the whole image is one view; squashing more than that hides what is in it."""
_MAX_ANIMATION_PIXELS = MAX_PIXELS  # frames before the last sampled one must be decoded too
_ORIENTATION_TAG = 0x0112
_WITHOUT_ANIMATION = {"MPO"}  # a JPEG whose further pictures are depth and gain maps

# Once and for Pillow alone: changing the filters around each call would not be thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.")

# What Pillow raises on bytes that are not an image; the unusual ones come from its TIFF, EXIF and GIF readers.
_DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, struct.error, EOFError, zlib.error, MemoryError, LookupError, ArithmeticError,
    AttributeError, TypeError, AssertionError, RuntimeError, Warning, Image.DecompressionBombError,
)  # fmt: skip


def extract_image(content: bytes) -> Features[ImageRow]:
    """Decode an image and cut it into views.

    Parameters
    ----------
    content : bytes
        JPEG, PNG, GIF, WebP, BMP or TIFF. Of an animation up to `MAX_FRAMES` evenly spread frames are read.

    Returns
    -------
    Features[ImageRow]
        1 to `MAX_ROWS` rows; `partial` says where an animation is too large to be sampled to its end.

    Raises
    ------
    MediaInvalid
        ``not_image``, ``empty`` (a side under 2 px), ``bomb`` (more than `MAX_PIXELS`) or ``truncated``.
    """
    with _open(content) as image:
        _check_size(image)
        return _read_frames(image)


def image_rows(image: Image.Image) -> tuple[ImageRow, ...]:
    """Cut an upright image of any mode into views.

    Parameters
    ----------
    image : Image
        At least one pixel wide and high.

    Returns
    -------
    tuple of ImageRow
        The whole image if no side is more than twice the other, else up to `MAX_TILES` tiles along the long side,
        side by side without overlap.
    """
    rgb = _convert_to_rgb(image)
    return tuple(_make_row(rgb, box) for box in _choose_boxes(rgb.width, rgb.height))


def _open(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaInvalid("bomb", "too many pixels") from error
    except _DECODE_ERRORS as error:
        raise MediaInvalid("not_image", "not an image") from error


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if min(width, height) < _MIN_SIDE_PX:
        raise MediaInvalid("empty", f"empty: {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise MediaInvalid(
            "bomb", f"too many pixels: {width} x {height}, the limit is {MAX_PIXELS // 10**6} megapixels"
        )


def _read_frames(image: Image.Image) -> Features[ImageRow]:
    n_frames = _count_frames(image)
    n_readable = min(n_frames, max(1, _MAX_ANIMATION_PIXELS // (image.width * image.height)))
    chosen = _choose_frames(image, n_readable)
    rows = tuple(row for index in chosen for row in _read_frame(image, index))
    partial = f"sampled from the first {n_readable} of {n_frames} frames" if n_readable < n_frames else None
    return Features(rows[:MAX_ROWS], partial)


def _read_frame(image: Image.Image, index: int) -> tuple[ImageRow, ...]:
    try:
        return image_rows(_decode_frame(image, index))
    except _DECODE_ERRORS as error:
        raise MediaInvalid("truncated", "truncated or damaged image") from error


def _count_frames(image: Image.Image) -> int:
    if image.format in _WITHOUT_ANIMATION:
        return 1
    try:
        return max(1, int(getattr(image, "n_frames", 1)))
    except _DECODE_ERRORS as error:
        raise MediaInvalid("truncated", "truncated or damaged image") from error


def _choose_frames(image: Image.Image, n_frames: int) -> list[int]:
    """Evenly spread frames of the first `n_frames`, as many as rows allow."""
    n_wanted = min(n_frames, MAX_FRAMES, MAX_ROWS // len(_choose_boxes(*image.size)))
    return [round(index) for index in np.linspace(0, n_frames - 1, n_wanted)]


def _decode_frame(image: Image.Image, index: int) -> Image.Image:
    if index:
        image.seek(index)
        _check_size(image)
    else:
        _draft(image)
    image.load()
    return _turn_upright(image)


def _draft(image: Image.Image) -> None:
    """Have a JPEG decoded at the smallest scale (1/2, 1/4, 1/8) that still fills every view."""
    n_tiles = len(_choose_boxes(*image.size))
    long_side = IMAGE_SIZE_PX * n_tiles
    wide = image.width >= image.height
    image.draft(None, (long_side, IMAGE_SIZE_PX) if wide else (IMAGE_SIZE_PX, long_side))


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        sound = image.getexif().get(_ORIENTATION_TAG, 1) == 1
        return image if sound else ImageOps.exif_transpose(image)
    except _DECODE_ERRORS:
        return image  # broken EXIF: the pixels are sound


def _convert_to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        return _narrow(image).convert("RGB")
    if image.mode == "LAB":
        return image.getchannel("L").convert("RGB")  # Pillow has no way to RGB without a colour profile
    return _lay_on_white(image) if image.has_transparency_data else image.convert("RGB")


def _narrow(image: Image.Image) -> Image.Image:
    """More than 8 bits a pixel to 8."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    values = np.array(image, dtype=np.float32)
    np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = _find_range(float(values.min()), float(values.max()))
    values -= low
    values *= 255.0 / (high - low)
    return Image.fromarray(np.clip(values, 0.0, 255.0, out=values).astype(np.uint8))


def _find_range(low: float, high: float) -> tuple[float, float]:
    """The range of black to white that the values most likely use: 1, 8 bits, 16 bits, or just their own."""
    if low < 0.0 or high > 65_535.0:
        return low, max(high, low + 1.0)
    return 0.0, next(limit for limit in (1.0, 255.0, 65_535.0) if high <= limit)


def _lay_on_white(image: Image.Image) -> Image.Image:
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")  # a copy of the largest has 256 MB
    paper = Image.new("RGB", rgba.size, "white")
    paper.paste(rgba, mask=rgba)
    return paper


def _choose_boxes(width: int, height: int) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom of every view as shares of the image."""
    aspect = max(width, height) / min(width, height)
    if aspect <= _MAX_PLAIN_ASPECT:
        return [(0.0, 0.0, 1.0, 1.0)]
    n_tiles = min(MAX_TILES, math.ceil(aspect / _MAX_PLAIN_ASPECT))
    edges = [(index / n_tiles, (index + 1) / n_tiles) for index in range(n_tiles)]
    return [(low, 0.0, high, 1.0) if width > height else (0.0, low, 1.0, high) for low, high in edges]


def _make_row(image: Image.Image, box: tuple[float, float, float, float]) -> ImageRow:
    left, top, right, bottom = box
    region = (left * image.width, top * image.height, right * image.width, bottom * image.height)
    square = image.resize((IMAGE_SIZE_PX, IMAGE_SIZE_PX), Image.Resampling.BILINEAR, region, reducing_gap=3.0)
    return ImageRow(np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1)), box)
