"""At which scale a JPEG is decoded: libjpeg can leave out what would be made smaller anyway."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from sluice.errors import MediaInvalid
from sluice.features import IMAGE_SIZE_PX
from sluice.features.pages import least_size
from sluice.features.views import plain_boxes

MAX_PIXELS = 64 * 10**6
"""Decoded: 64 megapixels are 256 MB as RGBA."""
SCALED_PIXELS = 2**19
"""From here on a JPEG is decoded at a smaller scale: below, that saves less than a millisecond."""

Draft = Callable[[Image.Image], None]
"""Has a JPEG that is open decoded at a smaller scale; leaves all others as they are."""


def draft_for_views(image: Image.Image, fineness: int = 1) -> None:
    """Have a JPEG of many pixels decoded at the smallest scale (1/2, 1/4, 1/8) that still fills every view.

    Parameters
    ----------
    fineness : int
        How many times larger than for a plain view.

    Raises
    ------
    MediaInvalid
        ``bomb``: more than `MAX_PIXELS` at that scale.
    """
    is_small = image.width * image.height < SCALED_PIXELS
    _draft(image, image.size if is_small else _view_size(image, fineness))


def draft_for_pages(image: Image.Image, fineness: int = 1) -> None:
    """The same for every view and every page in which text is looked for."""
    (width, height), (page_width, page_height) = _view_size(image, fineness), least_size(*image.size)
    _draft(image, (max(width, page_width), max(height, page_height)))


def _view_size(image: Image.Image, fineness: int) -> tuple[int, int]:
    n_tiles = len(plain_boxes(*image.size)) * fineness
    long_side, short_side = IMAGE_SIZE_PX * n_tiles, IMAGE_SIZE_PX * fineness
    return (long_side, short_side) if image.width >= image.height else (short_side, long_side)


def _draft(image: Image.Image, size: tuple[int, int]) -> None:
    image.draft(None, size)
    if image.width * image.height > MAX_PIXELS:
        raise MediaInvalid("bomb", f"too many pixels: {image.width} x {image.height} at the smallest scale")
