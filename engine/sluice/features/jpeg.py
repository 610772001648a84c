"""JPEG files as browsers read them: without their last bytes, and within bounds of work."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from PIL import Image, JpegImagePlugin

BEGINNING = b"\xff\xd8\xff"
_END = b"\xff\xd9"
_SCAN_MARKER, _END_MARKER = 0xDA, 0xD9
_ALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers that no length follows (ITU-T T.81, table B.1)."""
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_MARKER_BEHIND_SCAN = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""In a scan's data ``FF 00`` is a value, and ``FF D0`` to ``FF D7`` are where decoding may start again."""
_MIN_SCANS, _MAX_SCANS = 24, 100
_SCANNED_PIXELS = 10**9
"""Of all scans together: each goes over the whole picture. Encoders write a dozen; libjpeg would read thousands."""
_FILLING = 128
"""What libjpeg shows of each colour where the file has ended."""
_JUNK = b"\x55" * 64


def open_jpeg(content: bytes) -> Image.Image:
    """Open a JPEG of any size: Pillow's own way in refuses by the full size what is to be read at an eighth."""
    return JpegImagePlugin.JpegImageFile(io.BytesIO(content))


def cut_scans(content: bytes) -> tuple[bytes, str | None]:
    """The first scans of a progressive JPEG, as many as may be read, and what was left out.

    Returns
    -------
    content : bytes
        As it was if there are not too many.
    partial : str or None
    """
    scans = read_layout(content).scans
    if len(scans) <= _MIN_SCANS:
        return content, None
    with open_jpeg(content) as image:
        n_pixels = image.width * image.height
    n_read = max(_MIN_SCANS, min(_MAX_SCANS, _SCANNED_PIXELS // n_pixels))
    if len(scans) <= n_read:
        return content, None
    return content[: scans[n_read]] + _END, f"the first {n_read} of {len(scans)} scans read"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a file its first picture's scans begin, and where it says that it ends; None if it never does."""

    scans: tuple[int, ...]
    end: int | None


def read_layout(content: bytes) -> Layout:
    """Go from marker to marker, past what segments hold: any bytes may stand in there, and behind the picture."""
    scans: list[int] = []
    found = _MARKER.search(content, len(BEGINNING) - 1)
    while found is not None:
        place, marker = found.start(), found[1][0]
        if marker == _END_MARKER:
            return Layout(tuple(scans), place)
        if marker == _SCAN_MARKER:
            scans.append(place)
        behind = _MARKER_BEHIND_SCAN if marker == _SCAN_MARKER else _MARKER
        found = behind.search(content, place + 2 + _length_at(content, place + 2, marker))
    return Layout(tuple(scans), None)


def _length_at(content: bytes, place: int, marker: int) -> int:
    return 0 if marker in _ALONE else int.from_bytes(content[place : place + 2], "big")


def end(content: bytes) -> bytes:
    """The file with an end where it was cut."""
    return content + _END


def may_be_cut(image: Image.Image) -> bool:
    """Whether the last pixel of a decoded JPEG looks as if the file had ended before it."""
    last = image.crop((image.width - 1, image.height - 1, image.width, image.height)).convert("RGB").getpixel((0, 0))
    return isinstance(last, tuple) and all(abs(value - _FILLING) <= 1 for value in last)


def with_junk(content: bytes) -> bytes:
    """The file with bytes before its end that mean nothing to a complete picture, and something to a cut one."""
    place = read_layout(content).end
    place = len(content) if place is None else place
    return content[:place] + _JUNK + content[place:]
