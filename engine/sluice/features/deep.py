"""16 bits a colour whose values need fewer: Pillow keeps the upper bytes alone, and 12 bits come out black."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from PIL import Image

from sluice.features.colours import narrow_deep

_OTHER_BYTE = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}
_MODES = {"RGB", "RGBA"}
"""Pillow can load the other byte of these; grey with transparency stays as dark as viewers show it."""
_DARK = 64
"""Upper bytes below this leave at least two of their bits unused."""
_N_COLOURS = 3


def restore_depth(image: Image.Image, rawmode: str, reopen: Callable[[], Image.Image]) -> Image.Image:
    """The picture with what its lower bytes say, if its upper ones say hardly anything.

    Parameters
    ----------
    image : Image
        Loaded.
    rawmode : str
        `rawmode_of` it before it was.
    reopen : callable
        Opens the same picture anew.
    """
    channels, _, suffix = rawmode.partition(";")
    if suffix not in _OTHER_BYTE or channels not in _MODES or image.mode not in _MODES:
        return image
    colours = image.getextrema()[:_N_COLOURS]
    if max(high for _, high in colours) >= _DARK:  # type: ignore[misc]
        return image
    return _combine(image, _load_other_byte(reopen(), rawmode, rawmode.replace(suffix, _OTHER_BYTE[suffix])))


def rawmode_of(image: Image.Image) -> str:
    """How the pixels lie in the file, such as ``RGB;16B``; empty where there is no telling."""
    tiles = getattr(image, "tile", None)
    args = tiles[0].args if tiles else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _load_other_byte(image: Image.Image, rawmode: str, other: str) -> Image.Image:
    image.tile = [tile._replace(args=_renamed(tile.args, rawmode, other)) for tile in image.tile]  # type: ignore[attr-defined]
    image.load()
    return image


def _renamed(args: object, rawmode: str, other: str) -> object:
    return (other, *args[1:]) if isinstance(args, tuple) and args[:1] == (rawmode,) else other


def _combine(upper: Image.Image, lower: Image.Image) -> Image.Image:
    values = np.asarray(upper).astype(np.uint16)[..., :_N_COLOURS] << 8 | np.asarray(lower)[..., :_N_COLOURS]
    combined = Image.fromarray(narrow_deep(values))
    if upper.mode == "RGBA":
        combined.putalpha(upper.getchannel("A"))
    combined.info = upper.info
    return combined
