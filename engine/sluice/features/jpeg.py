"""JPEG files as browsers read them: without their last bytes, and within bounds of work."""

from __future__ import annotations

import io

from PIL import Image, JpegImagePlugin

BEGINNING = b"\xff\xd8\xff"
_END = b"\xff\xd9"
_SCAN = b"\xff\xda"
_MIN_SCANS, _MAX_SCANS = 24, 100
_SCANNED_PIXELS = 10**9
"""Of all scans together: each goes over the whole picture. Encoders write a dozen; libjpeg would read thousands."""
_FILLING = (128, 128)
"""What libjpeg shows where the file has ended: the darkest and the brightest value of a line."""
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
    n_scans = content.count(_SCAN)
    if n_scans <= _MIN_SCANS:
        return content, None
    with open_jpeg(content) as image:
        n_pixels = image.width * image.height
    n_read = max(_MIN_SCANS, min(_MAX_SCANS, _SCANNED_PIXELS // n_pixels))
    if n_scans <= n_read:
        return content, None
    return content[: _find_scan(content, n_read)] + _END, f"the first {n_read} of {n_scans} scans read"


def _find_scan(content: bytes, index: int) -> int:
    place = -1
    for _ in range(index + 1):
        place = content.index(_SCAN, place + 1)
    return place


def end(content: bytes) -> bytes:
    """The file with an end where it was cut."""
    return content + _END


def may_be_cut(image: Image.Image) -> bool:
    """Whether the last line of a decoded JPEG looks as if the file had ended before it."""
    last = image.crop((0, image.height - 1, image.width, image.height))
    extrema = last.convert("RGB").getextrema()
    return all(channel == _FILLING for channel in extrema)


def with_junk(content: bytes) -> bytes:
    """The file with bytes before its end that mean nothing to a complete picture, and something to a cut one."""
    place = content.rfind(_END)
    return content[:place] + _JUNK + content[place:]
