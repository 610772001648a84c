"""PNG files as browsers read them: a damaged or oversized remark beside the picture does not cost the picture."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = {b"tRNS", b"gAMA", b"sRGB", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT"}
"""Ancillary chunks that change what is seen; texts, dates and the like are left out."""
_MAX_PROFILE_BYTES = 2**20


def drop_remarks(content: bytes) -> bytes:
    """The file without chunks that say nothing about the picture, and without damaged ones that need not be there.

    Parameters
    ----------
    content : bytes
        Returned as it is if it is no PNG.
    """
    if not content.startswith(SIGNATURE):
        return content
    spans = list(_chunks(content))
    kept = [span for span in spans if _is_wanted(content, *span)]
    if len(kept) == len(spans):
        return content
    end = spans[-1][1]
    return b"".join([SIGNATURE, *(content[start:stop] for start, stop in kept), content[end:]])


def frame_delays(content: bytes) -> list[float]:
    """Seconds that each frame of an animated PNG is shown."""
    delays = []
    for start, stop in _chunks(content):
        if content[start + 4 : start + 8] == b"fcTL" and stop - start >= 38:
            numerator, denominator = struct.unpack_from(">HH", content, start + 28)
            delays.append(numerator / (denominator or 100))
    return delays


def _chunks(content: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of every whole chunk."""
    start = len(SIGNATURE)
    while start + 12 <= len(content):
        stop = start + 12 + int.from_bytes(content[start : start + 4], "big")
        if stop > len(content):
            return
        yield start, stop
        start = stop


def _is_wanted(content: bytes, start: int, stop: int) -> bool:
    name = content[start + 4 : start + 8]
    if name[:1].isupper():
        return True
    if name not in _KEPT or not _is_intact(content, start, stop):
        return False
    return name != b"iCCP" or _is_moderate(content[start + 8 : stop - 4])


def _is_intact(content: bytes, start: int, stop: int) -> bool:
    return zlib.crc32(memoryview(content)[start + 4 : stop - 4]) == int.from_bytes(content[stop - 4 : stop], "big")


def _is_moderate(chunk: bytes) -> bool:
    """Whether a profile unpacks, and to no more than a picture may need."""
    packed = chunk.partition(b"\0")[2][1:]
    inflater = zlib.decompressobj()
    try:
        inflater.decompress(packed, _MAX_PROFILE_BYTES)
    except zlib.error:
        return False
    return inflater.eof
