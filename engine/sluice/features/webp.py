"""WebP files whose sizes or ends are wrong: libwebp refuses them whole, so what there is of them is mended here."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_HEADER_BYTES = 12
_FRAME = b"ANMF"
_STILL = (b"VP8 ", b"VP8L")
_SPARE_BYTES = 64 * 1024
"""Zeros may be read as values that take more room than those that are missing."""
CUT_SHORT = "the file is cut short"


@dataclass(frozen=True, slots=True)
class _Chunks:
    """What a file is made of.

    Attributes
    ----------
    end : int
        Behind the last chunk that is whole.
    n_frames : int
        Of an animation, among those.
    has_picture : bool
        Whether one of those is a still picture.
    missing : int
        Bytes that the chunk behind them lacks, if that is a still picture; else 0.
    """

    end: int
    n_frames: int
    has_picture: bool
    missing: int


def mend(content: bytes) -> tuple[bytes, str | None]:
    """The file with its right size, without what is not whole of an animation, and what is missing.

    Parameters
    ----------
    content : bytes
        Returned as it is if it is no WebP, is whole, or has nothing to be seen. What a still picture lacks is filled
        with zeros, of which libwebp makes something: its first lines are there, as browsers show them.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        return content, None
    chunks = _find_chunks(content)
    if chunks.n_frames or chunks.has_picture:
        is_short = _size_at(content, 4) + 8 > len(content)
        note = CUT_SHORT if is_short and (chunks.n_frames or len(content) > chunks.end) else None
        return _resized(content[: chunks.end]), note
    if chunks.missing:
        size = _size_at(content, chunks.end + 4) + _SPARE_BYTES
        filled = content[: chunks.end + 4] + struct.pack("<I", size) + content[chunks.end + 8 :]
        return _resized(filled + bytes(chunks.missing + _SPARE_BYTES)), CUT_SHORT
    return content, None


def _resized(content: bytes) -> bytes:
    whole = content + bytes(len(content) % 2)  # chunks end at even places
    return whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]


def _find_chunks(content: bytes) -> _Chunks:
    place, n_frames, has_picture = _HEADER_BYTES, 0, False
    while place + 8 <= len(content):
        name, size = content[place : place + 4], _size_at(content, place + 4)
        end = place + 8 + size
        if end > len(content):
            return _Chunks(place, n_frames, has_picture, end - len(content) if name in _STILL else 0)
        n_frames += name == _FRAME
        has_picture = has_picture or name in _STILL
        place = min(end + size % 2, len(content))
    return _Chunks(place, n_frames, has_picture, 0)


def _size_at(content: bytes, place: int) -> int:
    return int.from_bytes(content[place : place + 4], "little")
