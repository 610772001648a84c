"""How long each frame of an animation is shown, read from the file's own blocks without decoding a pixel."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.features.png import SIGNATURE, frame_delays

_SHORTEST_S = 0.1
"""Browsers show a frame for so long that asks for 10 ms or less."""
_HASTY_S = 0.011
_EXTENSION, _IMAGE, _CONTROL = 0x21, 0x2C, 0xF9


def frame_durations(content: bytes) -> list[float]:
    """Seconds per frame of a GIF, WebP or PNG; empty for other formats and where the blocks cannot be followed."""
    if content[:3] == b"GIF":
        durations = list(_gif_delays(content))
    elif content[8:12] == b"WEBP":
        durations = list(_webp_delays(content))
    elif content.startswith(SIGNATURE):
        durations = frame_delays(content)
    else:
        durations = []
    return [_SHORTEST_S if seconds < _HASTY_S else seconds for seconds in durations]


def _gif_delays(content: bytes) -> Iterator[float]:
    """GIF 89a, sections 17 to 25: an image's delay stands in the graphic control extension before it."""
    place, delay = 13 + _table_bytes(content, 10), 0.0
    while place < len(content):
        if content[place] == _EXTENSION:
            if content[place + 1 : place + 2] == bytes([_CONTROL]):
                delay = int.from_bytes(content[place + 4 : place + 6], "little") / 100
            place = _skip_blocks(content, place + 2)
        elif content[place] == _IMAGE:
            yield delay
            place, delay = _skip_blocks(content, place + 11 + _table_bytes(content, place + 9)), 0.0
        else:
            return


def _table_bytes(content: bytes, place: int) -> int:
    """Size of the colour table that a packed byte announces."""
    packed = content[place] if place < len(content) else 0
    return 3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0


def _skip_blocks(content: bytes, place: int) -> int:
    while place < len(content) and content[place]:
        place += 1 + content[place]
    return place + 1


def _webp_delays(content: bytes) -> Iterator[float]:
    """WebP container: 24 bits of milliseconds in every ANMF chunk."""
    place = 12
    while place + 8 <= len(content):
        n_bytes = int.from_bytes(content[place + 4 : place + 8], "little")
        if content[place : place + 4] == b"ANMF":
            yield int.from_bytes(content[place + 20 : place + 23], "little") / 1000
        place += 8 + n_bytes + n_bytes % 2
