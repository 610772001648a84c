"""Pictures as pages in which text is looked for: finer than the image encoder's views, no finer than needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

import numpy as np
from PIL import Image

from sluice.contract import ALL_PAGES_PIXELS, MIN_PAGE_PX, PAGE_PIXELS
from sluice.features import Page
from sluice.features.colours import Transform, apply_profile, is_flat
from sluice.features.views import WHOLE, Box, region_of

MAX_PAGE_ASPECT = 8
"""Up to here a picture is one page: cutting it might cut through words. Longer ones have a page per tile."""
_LEAST_SHARE = 0.5
"""Of a page's pixels that a JPEG is decoded at, at least: the next scale has four times as many."""

Paginate = Callable[[Image.Image, Sequence[Box], Transform | None], tuple[Page, ...]]
"""An upright RGB picture, the boxes that it is looked at in, and the way to sRGB → its pages."""


def no_pages(rgb: Image.Image, boxes: Sequence[Box], transform: Transform | None) -> tuple[Page, ...]:
    """The `Paginate` of those who read no text in pictures."""
    return ()


def cut_pages(rgb: Image.Image, boxes: Sequence[Box], transform: Transform | None) -> tuple[Page, ...]:
    """Pages of a picture; none of one that is too small for a word, or of one colour.

    >>> [page.pixels.shape for page in cut_pages(Image.linear_gradient("L").convert("RGB"), [WHOLE], None)]
    [(256, 256, 3)]
    """
    if min(rgb.size) < MIN_PAGE_PX or is_flat(rgb):
        return ()
    chosen = boxes if is_strip(*rgb.size) else [WHOLE]
    n_pixels = min(PAGE_PIXELS, ALL_PAGES_PIXELS // len(chosen))
    pages = (_make_page(rgb, box, n_pixels, transform) for box in chosen)
    return tuple(page for page in pages if min(page.pixels.shape[:2]) >= MIN_PAGE_PX)


def is_strip(width: int, height: int) -> bool:
    """Whether a picture is so long that it has several pages."""
    return max(width, height) > MAX_PAGE_ASPECT * min(width, height)


def least_size(width: int, height: int) -> tuple[int, int]:
    """The size at which a picture must be decoded for its pages, no larger than it is."""
    n_pixels = (ALL_PAGES_PIXELS if is_strip(width, height) else PAGE_PIXELS) * _LEAST_SHARE
    factor = min(1.0, (n_pixels / (width * height)) ** 0.5)
    return int(width * factor), int(height * factor)


def keep_within_limit(pages: Iterable[Page]) -> tuple[Page, ...]:
    """The first pages, of `ALL_PAGES_PIXELS` together."""
    pages = tuple(pages)
    ends = accumulate(page.pixels.shape[0] * page.pixels.shape[1] for page in pages)
    return tuple(page for page, end in zip(pages, ends, strict=True) if end <= ALL_PAGES_PIXELS)


def _make_page(rgb: Image.Image, box: Box, n_pixels: int, transform: Transform | None) -> Page:
    region = region_of(rgb, box)
    width, height = region[2] - region[0], region[3] - region[1]
    factor = min(1.0, (n_pixels / (width * height)) ** 0.5)
    size = max(1, int(width * factor)), max(1, int(height * factor))
    page = rgb.resize(size, Image.Resampling.BILINEAR, region, reducing_gap=3.0)
    return Page(np.asarray(apply_profile(page, transform)), box)
