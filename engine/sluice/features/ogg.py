"""Ogg files (RFC 3533): chains of streams, each a file of its own; lengths that are wrong, pages that are missing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

from sluice.features import packets

MAGIC = b"OggS"
CUT_SHORT = "the clip is cut short"
DAMAGED = "parts of the clip are missing or damaged"
_FIRST_PAGE, _LAST_PAGE = 0x02, 0x04
_HEADER_BYTES = 27
_MAX_PACKETS = 200_000
_SLACK_S = 0.25
"""By which encoders leave out less at the start and the end than this."""
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a link.

    Attributes
    ----------
    granule : int
        Samples up to the end of the last packet that ends here; -1 if none does.
    """

    start: int
    body: int
    end: int
    flags: int
    granule: int
    serial: int
    number: int
    lacing: bytes


def split_links(content: bytes) -> list[bytes]:
    """The links of a chain; a file that is none comes back alone, as it is."""
    starts = [0]
    was_first = True
    for page in _pages(content):
        is_first = bool(page.flags & _FIRST_PAGE)
        if is_first and not was_first:
            starts.append(page.start)
        was_first = is_first
    return [content[start:stop] for start, stop in zip(starts, [*starts[1:], len(content)], strict=True)]


def find_end(content: bytes) -> int:
    """Where the last page ends."""
    return max((min(page.end, len(content)) for page in _pages(content)), default=len(content))


def repair_lengths(link: bytes) -> tuple[bytes, str | None]:
    """A link that is heard to its end, whatever its pages count, and what it lacks.

    Parameters
    ----------
    link : bytes
        Returned as it is if its pages count rightly, or its codec is neither Vorbis nor Opus.
    """
    pages = list(_pages(link))
    if len({page.serial for page in pages}) != 1:
        return link, None
    ends_early = any(page.flags & _LAST_PAGE for page in pages[:-1])
    counted = _count(link, pages)
    if counted is not None and (ends_early or _counts_too_few(pages, *counted)):
        return _renumber(link, pages, counted[0]), _describe(link, pages)
    return link, _describe(link, pages)


def _describe(link: bytes, pages: list[Page]) -> str | None:
    whole = [page for page in pages if page.end <= len(link)]
    has_gap = any(after.number != (before.number + 1) & 0xFFFF_FFFF for before, after in pairwise(pages))
    if has_gap or any(_checksum(link[page.start : page.end]) != _stated_checksum(link, page) for page in whole):
        return DAMAGED
    return None if len(whole) == len(pages) and any(page.flags & _LAST_PAGE for page in pages) else CUT_SHORT


def _count(link: bytes, pages: list[Page]) -> tuple[dict[int, int], int] | None:
    """For each page on which packets end, samples up to there, and their rate; None of an unknown codec."""
    found = islice(_packets(link, pages), _MAX_PACKETS)
    codec = packets.open_codec([packet for _, packet in islice(found, 3)])
    if codec is None:
        return None
    total, totals = 0, {}
    for place, packet in islice(_packets(link, pages), codec.n_headers, _MAX_PACKETS):
        total += codec.count(packet)
        totals[place] = total
    return totals, codec.rate_hz


def _counts_too_few(pages: list[Page], totals: dict[int, int], rate_hz: int) -> bool:
    if not totals:
        return False
    first = next(iter(totals))
    base = pages[first].granule - totals[first]
    slack = _SLACK_S * rate_hz
    return any(pages[place].granule < base + total - slack for place, total in totals.items()) or base < -slack


def _packets(link: bytes, pages: list[Page]) -> Iterator[tuple[int, bytes]]:
    """Number of the page on which each packet ends, and the packet."""
    pending: list[bytes] = []
    for number, page in enumerate(pages):
        place = page.body
        for size in page.lacing:
            pending.append(link[place : place + size])
            place += size
            if size < 255:
                yield number, b"".join(pending)
                pending = []


def _renumber(link: bytes, pages: list[Page], totals: dict[int, int]) -> bytes:
    """The pages with what they really count, and the end at their end."""
    mended = bytearray(link)
    for number, page in enumerate(pages):
        flags = page.flags & ~_LAST_PAGE | (_LAST_PAGE if number == len(pages) - 1 else 0)
        mended[page.start + 5] = flags
        if number in totals:
            mended[page.start + 6 : page.start + 14] = totals[number].to_bytes(8, "little")
        if page.end <= len(link):
            mended[page.start + 22 : page.start + 26] = _checksum(bytes(mended[page.start : page.end])).to_bytes(
                4, "little"
            )
    return bytes(mended)


def _stated_checksum(link: bytes, page: Page) -> int:
    return int.from_bytes(link[page.start + 22 : page.start + 26], "little")


def _checksum(page: bytes) -> int:
    """CRC-32 from the highest bit on, as Ogg has it: that of zlib with all bits mirrored."""
    mirrored = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    crc = zlib.crc32(mirrored, 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_REVERSED), "big")


def _pages(content: bytes) -> Iterator[Page]:
    place = content.find(MAGIC)
    while place >= 0 and place + _HEADER_BYTES <= len(content):
        page = _read_page(content, place)
        yield page
        place = content.find(MAGIC, page.end)


def _read_page(content: bytes, start: int) -> Page:
    body = start + _HEADER_BYTES + content[start + 26]
    lacing = content[start + _HEADER_BYTES : body]
    granule, serial, number = (
        int.from_bytes(content[start + first : start + last], "little", signed=signed)
        for first, last, signed in ((6, 14, True), (14, 18, False), (18, 22, False))
    )
    return Page(start, body, body + sum(lacing), content[start + 5], granule, serial, number, lacing)
