"""Which parts of a picture are looked at: the whole, tiles of a long one, and small pictures on an empty page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from sluice.features.colours import FLAT_RANGE

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the upright image."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
MAX_TILES = 4
MAX_STRIP_TILES = 16
MAX_PICTURES = 8
_MAX_PLAIN_ASPECT = 2.0
"""Up to here the whole image is one view; squashing more than that hides what is in it."""
_MAX_TILED_ASPECT = MAX_TILES * _MAX_PLAIN_ASPECT
_MIN_TILE_ASPECT = 0.5
_STRIP_PX = 64
"""Width of the small copy in which a strip's empty lines are looked for."""

_MAX_BUSY_SHARE = 0.6
"""Of a page: with more than this on it, there is no empty page."""
_MAX_PICTURE_SHARE = 0.25
"""Of a page: what is larger is seen well enough in the whole view."""
_MIN_PICTURE_SIDE = 0.06
"""Of a page's side: what is smaller is a letter, an icon or a speck."""
_MAX_PAPER_SHARE = 0.4
"""Of a picture's own pixels: letters leave most of the paper bare, photographs do not."""
_EVEN_MARGIN_SHARE = 0.9
_PAPER_STEP = 24
_LOOK_PX = 64

Pixels = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Views:
    """What is looked at.

    Attributes
    ----------
    boxes : tuple of Box
        At least one.
    partial : str or None
        What is not looked at closely enough.
    """

    boxes: tuple[Box, ...]
    partial: str | None = None


def plain_boxes(width: int, height: int) -> list[Box]:
    """The whole image if no side is more than twice the other, else up to `MAX_TILES` tiles along the long side."""
    aspect = max(width, height) / min(width, height)
    if aspect <= _MAX_PLAIN_ASPECT:
        return [WHOLE]
    n_tiles = min(MAX_TILES, math.ceil(aspect / _MAX_PLAIN_ASPECT))
    edges = [(index / n_tiles, (index + 1) / n_tiles) for index in range(n_tiles)]
    return [_along(width > height, low, high) for low, high in edges]


def choose_views(rgb: Image.Image) -> Views:
    """Views of a picture; a strip longer than `MAX_TILES` tiles is cut where it is empty, its empty parts left out."""
    if max(rgb.size) / min(rgb.size) > _MAX_TILED_ASPECT:
        return _cut_strip(rgb)
    return Views(tuple(plain_boxes(*rgb.size)))


def _along(is_wide: bool, low: float, high: float) -> Box:
    return (low, 0.0, high, 1.0) if is_wide else (0.0, low, 1.0, high)


def _cut_strip(rgb: Image.Image) -> Views:
    is_wide = rgb.width > rgb.height
    busy = _find_busy_lines(rgb)
    line_px = max(rgb.size) / len(busy)
    spans = list(_split_lines(busy, max(2, round(_MAX_PLAIN_ASPECT * min(rgb.size) / line_px)))) or [(0, len(busy))]
    chosen = [spans[round(i)] for i in np.linspace(0, len(spans) - 1, min(len(spans), MAX_STRIP_TILES))]
    boxes = tuple(_along(is_wide, low / len(busy), high / len(busy)) for low, high in chosen)
    return Views(boxes, f"{len(chosen)} of {len(spans)} tiles read" if len(chosen) < len(spans) else None)


def _find_busy_lines(rgb: Image.Image) -> Flags:
    """Which lines across a strip hold anything, shape = (lines,)."""
    n_lines = min(max(rgb.size), 64 * 1024)
    is_wide = rgb.width > rgb.height
    size = (n_lines, min(rgb.height, _STRIP_PX)) if is_wide else (min(rgb.width, _STRIP_PX), n_lines)
    small = np.asarray(rgb.resize(size, Image.Resampling.BOX)).astype(np.int16)
    across = 0 if is_wide else 1
    return np.asarray((small.max(axis=across) - small.min(axis=across)).max(axis=-1) > FLAT_RANGE)


def _split_lines(busy: Flags, n_tile: int) -> Iterator[tuple[int, int]]:
    """Tiles of up to `n_tile` lines over all that is busy, cut at empty lines where there are any."""
    lines = np.flatnonzero(busy)
    while len(lines):
        start = int(lines[0])
        inside = lines[lines < start + n_tile]
        stop = int(inside[-1]) + 1
        if len(inside) < len(lines) and busy[min(start + n_tile, len(busy) - 1)]:
            empty = np.flatnonzero(~busy[start + n_tile // 2 : stop])
            stop = start + n_tile // 2 + int(empty[-1]) if len(empty) else stop
        yield _widen(start, stop, round(n_tile * _MIN_TILE_ASPECT / _MAX_PLAIN_ASPECT), len(busy))
        lines = lines[lines >= stop]


def _widen(start: int, stop: int, n_least: int, n_lines: int) -> tuple[int, int]:
    """A single line of letters is not to be blown up to a square."""
    missing = max(0, n_least - (stop - start))
    start = max(0, start - missing // 2)
    return start, min(n_lines, max(stop, start + n_least))


def find_pictures(rgb: Image.Image, view: Pixels) -> Views | None:
    """Small pictures on an empty page, each to be looked at on its own.

    Parameters
    ----------
    rgb : Image
        The page.
    view : ndarray of uint8, shape = (3, h, w)
        The same made small.

    Returns
    -------
    Views or None
        None if there are none. The page itself is left out where nothing else is on it.
    """
    colours = view.astype(np.int16)
    paper = _find_paper(colours)
    if paper is None:
        return None
    busy = np.asarray(np.abs(colours - paper[:, None, None]).max(axis=0) > _PAPER_STEP)
    if not 0.0 < busy.mean() <= _MAX_BUSY_SHARE:
        return None
    boxes = [box for box in _find_patches(busy) if _is_filled(rgb, box, paper)]
    return _describe_page(boxes, busy) if boxes else None


def _find_paper(colours: npt.NDArray[np.int16]) -> npt.NDArray[np.int16] | None:
    """The colour of the page: that of nearly all its margin."""
    margin = np.concatenate([colours[:, 0], colours[:, -1], colours[:, :, 0], colours[:, :, -1]], axis=1)
    paper = np.median(margin, axis=1).astype(np.int16)
    even = np.abs(margin - paper[:, None]).max(axis=0) <= _PAPER_STEP
    return paper if even.mean() >= _EVEN_MARGIN_SHARE else None


def _find_patches(busy: Flags) -> list[Box]:
    """Connected patches of a picture's size, the largest first."""
    import scipy.ndimage  # late: half a second, and few pictures come this far

    labels, _ = scipy.ndimage.label(busy)
    height, width = busy.shape
    boxes = [
        (columns.start / width, rows.start / height, columns.stop / width, rows.stop / height)
        for rows, columns in scipy.ndimage.find_objects(labels)
    ]
    sized = [box for box in boxes if min(_sides(box)) >= _MIN_PICTURE_SIDE and _area(box) <= _MAX_PICTURE_SHARE]
    return sorted(sized, key=_area, reverse=True)


def _sides(box: Box) -> tuple[float, float]:
    return box[2] - box[0], box[3] - box[1]


def _area(box: Box) -> float:
    return math.prod(_sides(box))


def _is_filled(rgb: Image.Image, box: Box, paper: npt.NDArray[np.int16]) -> bool:
    """Whether a patch is a filled one, such as a photograph, rather than lines or letters."""
    look = rgb.resize((_LOOK_PX, _LOOK_PX), Image.Resampling.NEAREST, region_of(rgb, box))
    bare = np.abs(np.asarray(look).astype(np.int16) - paper).max(axis=-1) <= _PAPER_STEP
    return float(bare.mean()) <= _MAX_PAPER_SHARE


def region_of(image: Image.Image, box: Box) -> Box:
    """A box in pixels."""
    return (box[0] * image.width, box[1] * image.height, box[2] * image.width, box[3] * image.height)


def _describe_page(boxes: list[Box], busy: Flags) -> Views:
    chosen = boxes[:MAX_PICTURES]
    rest = busy.copy()
    for left, top, right, bottom in chosen:
        rows = slice(round(top * busy.shape[0]), round(bottom * busy.shape[0]))
        rest[rows, round(left * busy.shape[1]) : round(right * busy.shape[1])] = False
    partial = f"{len(chosen)} of {len(boxes)} pictures on the page read closely" if len(chosen) < len(boxes) else None
    return Views(tuple([WHOLE, *chosen] if rest.any() else chosen), partial)
