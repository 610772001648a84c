"""A decoded picture to the rows of the image encoder, and to the pages in which text is looked for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from sluice.features import IMAGE_SIZE_PX, Features, ImageRow, Page
from sluice.features.colours import Transform, apply_profile, profile_of, read_colours
from sluice.features.pages import Paginate
from sluice.features.views import WHOLE, Box, Views, choose_views, find_pictures, region_of
from sluice.features.wanted import Wanted

_MAX_FINENESS = 8
_LARGE_PX = 3 * IMAGE_SIZE_PX


def view_picture(image: Image.Image, is_large: bool, wanted: Wanted) -> Features[ImageRow]:
    """Rows of every reading of an upright picture, and what is wanted besides.

    Parameters
    ----------
    image : Image
        Of any mode.
    is_large : bool
        Whether small pictures on it are looked at on their own; see `may_hold_pictures`.
    """
    transform = _transform_of(image)
    readings = [(rgb, choose_views(rgb)) for rgb in read_colours(image)]
    looked = [_look_at_reading(rgb, views, transform, is_large) for rgb, views in readings]
    return Features(
        tuple(row for each in looked for row in each.rows),
        join_notes(*(each.partial for each in looked)),
        pages=tuple(page for rgb, views in readings for page in wanted.paginate(rgb, views.boxes, transform)),
        prints=tuple(seen for rgb, _ in readings for seen in wanted.take_prints(rgb)),
    )


def page_picture(image: Image.Image, paginate: Paginate) -> tuple[Page, ...]:
    """Pages alone of every reading of an upright picture."""
    transform = _transform_of(image)
    return tuple(page for rgb in read_colours(image) for page in paginate(rgb, choose_views(rgb).boxes, transform))


def _transform_of(image: Image.Image) -> Transform | None:
    return None if image.mode == "CMYK" else profile_of(image)


def may_hold_pictures(image: Image.Image) -> bool:
    """Whether a view of its own shows more of a small part than the whole view does."""
    return min(image.size) >= _LARGE_PX


def fineness_for(features: Features[ImageRow]) -> int:
    """How many times larger than for a plain view a JPEG must be decoded, for its smallest view to be sharp."""
    sides = [(row.box[2] - row.box[0], row.box[3] - row.box[1]) for row in features.rows]
    return min(_MAX_FINENESS, math.ceil(1 / min(max(each) for each in sides)))


def cut_rows(rgb: Image.Image, boxes: Sequence[Box], transform: Transform | None) -> tuple[ImageRow, ...]:
    """A row per box."""
    return tuple(_make_row(rgb, box, transform) for box in boxes)


def join_notes(*notes: str | None) -> str | None:
    """What was left out, in one line; None for nothing."""
    return "; ".join(filter(None, notes)) or None


def _look_at_reading(rgb: Image.Image, views: Views, transform: Transform | None, is_large: bool) -> Features[ImageRow]:
    rows = cut_rows(rgb, views.boxes, transform)
    page = find_pictures(rgb, rows[0].pixels) if is_large and views.boxes == (WHOLE,) else None
    if page is None:
        return Features(rows, views.partial)
    return Features(cut_rows(rgb, page.boxes, transform), page.partial)


def _make_row(image: Image.Image, box: Box, transform: Transform | None) -> ImageRow:
    size = (IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    square = image.resize(size, Image.Resampling.BILINEAR, region_of(image, box), reducing_gap=3.0)
    pixels = np.asarray(apply_profile(square, transform))
    return ImageRow(np.ascontiguousarray(pixels.transpose(2, 0, 1)), box)
