"""FLAC files (RFC 9639) whose header counts their samples wrongly, or not at all: they were written to a pipe."""

from __future__ import annotations

from collections.abc import Iterator

_STREAMINFO_END = 42
_TOTAL = slice(18, 26)
_TOTAL_BITS = 36
_UNKNOWN = (0, 2**_TOTAL_BITS - 1)
_MAX_TRIES = 10_000
_SYNC = (b"\xff\xf8", b"\xff\xf9")
_VARIABLE = 0xF9
_UTF8_LEADS = ((0x80, 0x00, 0), (0xE0, 0xC0, 1), (0xF0, 0xE0, 2), (0xF8, 0xF0, 3), (0xFC, 0xF8, 4), (0xFE, 0xFC, 5))
"""Mask and value of the first byte of a number, and how many more follow."""


def repair_length(content: bytes) -> bytes:
    """A FLAC file that counts all the samples that it has; one that counts more than it has stays as it is.

    Parameters
    ----------
    content : bytes
        Returned as it is if it is no FLAC, or its count is right.
    """
    if content[:4] != b"fLaC" or len(content) < _STREAMINFO_END or content[4] & 0x7F:
        return content
    field = int.from_bytes(content[_TOTAL], "big")
    declared, present = field & _UNKNOWN[1], _count_samples(content)
    if present is None or (declared >= present and declared not in _UNKNOWN):
        return content
    mended = (field >> _TOTAL_BITS << _TOTAL_BITS | present).to_bytes(8, "big")
    return content[: _TOTAL.start] + mended + content[_TOTAL.stop :]


def _count_samples(content: bytes) -> int | None:
    """By the number of the last frame; None if there is none."""
    n_block = int.from_bytes(content[10:12], "big")
    first = _find_first(content)
    for tried, place in enumerate(_candidates(content, first)):
        if tried == _MAX_TRIES:
            break
        if _resembles(content, first, place) and (found := _read_header(content[place : place + 16], n_block)):
            return found if found <= _UNKNOWN[1] else None
    return None


def _find_first(content: bytes) -> int:
    """Where the frames begin: behind the block of metadata that says that it is the last."""
    place, is_last = 4, False
    while not is_last and place + 4 <= len(content):
        is_last = bool(content[place] & 0x80)
        place += 4 + int.from_bytes(content[place + 1 : place + 4], "big")
    return place


def _candidates(content: bytes, first: int) -> Iterator[int]:
    sync = content[first : first + 2]
    place = content.rfind(sync, first) if sync in _SYNC else -1
    while place >= 0:
        yield place
        place = content.rfind(sync, first, place)


def _resembles(content: bytes, first: int, place: int) -> bool:
    """Whether rate and size of samples are those of the first frame."""
    one, other = content[first : first + 4], content[place : place + 4]
    return len(other) == 4 and one[2] & 0x0F == other[2] & 0x0F and one[3] & 0x0F == other[3] & 0x0F


def _read_header(head: bytes, n_block: int) -> int | None:
    """Number of the sample behind a frame; None if this is no header, by its checksum."""
    code, rate_code = head[2] >> 4, head[2] & 0x0F
    n_more = next((n_more for mask, lead, n_more in _UTF8_LEADS if len(head) > 4 and head[4] & mask == lead), None)
    if n_more is None or code == 0:
        return None
    n_size, n_rate = {6: 1, 7: 2}.get(code, 0), {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    end = 5 + n_more + n_size + n_rate
    if len(head) <= end or _crc8(head[:end]) != head[end]:
        return None
    number = _read_number(head[4 : 5 + n_more])
    n_samples = _block_size(code, head[5 + n_more : 5 + n_more + n_size])
    return (number if head[1] == _VARIABLE else number * n_block) + n_samples


def _read_number(coded: bytes) -> int:
    n_more = len(coded) - 1
    number = coded[0] & ((1 << (6 - n_more)) - 1 if n_more else 0x7F)
    for byte in coded[1:]:
        number = number << 6 | byte & 0x3F
    return number


def _block_size(code: int, explicit: bytes) -> int:
    if explicit:
        return int.from_bytes(explicit, "big") + 1
    if code == 1:
        return 192
    return 576 << (code - 2) if code <= 5 else 256 << (code - 8)


def _crc8(content: bytes) -> int:
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc
