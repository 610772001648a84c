"""WebP animations whose end is missing: libwebp refuses such a file whole, so its whole frames are kept here."""

from __future__ import annotations

import struct

_HEADER_BYTES = 12
_FRAME = b"ANMF"
CUT_SHORT = "the file is cut short"


def keep_whole_frames(content: bytes) -> tuple[bytes, str | None]:
    """The file up to its last whole frame, and what is missing.

    Parameters
    ----------
    content : bytes
        Returned as it is if it is no WebP, is whole, or has no whole frame: of a still picture libwebp's decoder
        for files gives no part.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or _size_at(content, 4) + 8 <= len(content):
        return content, None
    end, n_frames = _whole_chunks(content)
    if not n_frames:
        return content, None
    return content[:4] + struct.pack("<I", end - 8) + content[8:end], CUT_SHORT


def _whole_chunks(content: bytes) -> tuple[int, int]:
    """Where the last whole chunk ends, and how many of them are frames."""
    place, n_frames = _HEADER_BYTES, 0
    while place + 8 <= len(content):
        size = _size_at(content, place + 4)
        end = place + 8 + size + size % 2
        if end > len(content):
            break
        n_frames += content[place : place + 4] == _FRAME
        place = end
    return place, n_frames


def _size_at(content: bytes, place: int) -> int:
    return int.from_bytes(content[place : place + 4], "little")
