"""WAV files whose sizes are wrong: recorders that were cut off, streams, tools that count eight bytes too many."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER_BYTES = 12
_STREAM_BYTES = 2**31 - 2**16
"""A size from here on was written before the length was known."""
_IN_DS64 = 2**32 - 1


def repair_sizes(content: bytes) -> tuple[bytes, str | None]:
    """A WAV file with the sizes that it has, and what its own say is missing.

    Parameters
    ----------
    content : bytes
        Returned as it is if it is no WAV, or its sizes are right. RF64 becomes RIFF: what is read here is small.
    """
    content = _without_ds64(content)
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return content, None
    data = next((start for name, start, _ in _chunks(content) if name == b"data"), None)
    if data is None:
        return content, None
    declared, present = _size_at(content, data - 4), len(content) - data
    is_open = declared == 0 or declared >= _STREAM_BYTES
    cut = f"{present} of {declared} bytes of sound are there" if present < declared - 1 and not is_open else None
    if is_open or present < declared or _goes_on(content, data + declared):
        declared = present
    return _with_sizes(content, data, declared), cut


def _without_ds64(content: bytes) -> bytes:
    """RF64 as RIFF: the sizes of 64 bits stand in a chunk of their own, in front (EBU Tech 3306)."""
    place = _HEADER_BYTES
    if content[:4] != b"RF64" or content[place : place + 4] != b"ds64":
        return content
    plain = bytearray(b"RIFF" + content[4:place] + b"JUNK" + content[place + 4 :])
    data = next((start for name, start, _ in _chunks(plain) if name == b"data"), None)
    if data is not None and _size_at(plain, data - 4) == _IN_DS64:
        declared = int.from_bytes(plain[place + 16 : place + 24], "little")
        struct.pack_into("<I", plain, data - 4, min(declared, _IN_DS64))
    return bytes(plain)


def _chunks(content: bytes | bytearray) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and size of each chunk up to the sound's."""
    place = _HEADER_BYTES
    while place + 8 <= len(content):
        name, size = bytes(content[place : place + 4]), _size_at(content, place + 4)
        yield name, place + 8, size
        place += 8 + size + size % 2


def _size_at(content: bytes | bytearray, place: int) -> int:
    return int.from_bytes(content[place : place + 4], "little")


def _goes_on(content: bytes, end: int) -> bool:
    """Whether more sound stands behind the sound's declared end: no chunk begins there, padded or not."""
    rest = content[end : end + 9]
    if len(rest) < 8:
        return False
    return not any(_is_name(rest[shift : shift + 4]) for shift in (0, 1))


def _is_name(name: bytes) -> bool:
    return all(0x20 <= letter < 0x7F for letter in name)


def _with_sizes(content: bytes, data: int, n_bytes: int) -> bytes:
    if _size_at(content, data - 4) == n_bytes and _size_at(content, 4) == len(content) - 8:
        return content
    repaired = bytearray(content)
    struct.pack_into("<I", repaired, 4, len(content) - 8)
    struct.pack_into("<I", repaired, data - 4, n_bytes)
    return bytes(repaired)
