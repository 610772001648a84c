"""Ogg files that hold one stream behind another (RFC 3533, chaining): each link is a file of its own."""

from __future__ import annotations

from collections.abc import Iterator

MAGIC = b"OggS"
_FIRST_PAGE = 0x02
_HEADER_BYTES = 27


def split_links(content: bytes) -> list[bytes]:
    """The links of a chain; a file that is none comes back alone, as it is."""
    starts = [0]
    was_first = True
    for place, is_first in _pages(content):
        if is_first and not was_first:
            starts.append(place)
        was_first = is_first
    return [content[start:stop] for start, stop in zip(starts, [*starts[1:], len(content)], strict=True)]


def _pages(content: bytes) -> Iterator[tuple[int, bool]]:
    """Place of every page, and whether a logical stream begins with it."""
    place = content.find(MAGIC)
    while place >= 0 and place + _HEADER_BYTES <= len(content):
        yield place, bool(content[place + 5] & _FIRST_PAGE)
        n_segments = content[place + 26]
        n_body = sum(content[place + _HEADER_BYTES : place + _HEADER_BYTES + n_segments])
        place = content.find(MAGIC, place + _HEADER_BYTES + n_segments + n_body)
