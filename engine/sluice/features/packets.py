"""How many samples the packets of Vorbis (Vorbis I, section 4) and Opus (RFC 6716, section 3.1) hold, undecoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

_OPUS_RATE_HZ = 48_000
_MODE_BITS = 41  # of a mode: block flag 1, window 16, transform 16, mapping 8
_LEAST_BITS = 97


class Codec(Protocol):
    """Counts the samples of packets, one after another."""

    @property
    def rate_hz(self) -> int:
        """Of the counts."""

    @property
    def n_headers(self) -> int:
        """Packets without sound, in front."""

    def count(self, packet: bytes) -> int:
        """Samples that become complete with the next packet."""


def open_codec(headers: list[bytes]) -> Codec | None:
    """The codec of a stream by its first packets; None if it is neither, or damaged."""
    if headers and headers[0].startswith(b"OpusHead"):
        return Opus()
    if len(headers) < 3 or not headers[0].startswith(b"\x01vorbis") or len(headers[0]) < 29:
        return None
    flags = _read_block_flags(headers[2])
    sizes = 1 << (headers[0][28] & 0x0F), 1 << (headers[0][28] >> 4)
    return Vorbis(int.from_bytes(headers[0][12:16], "little"), sizes, flags) if flags else None


@dataclass(frozen=True, slots=True)
class Opus:
    """Frames of 2.5 to 60 ms, at 48 kHz whatever was recorded."""

    rate_hz: int = _OPUS_RATE_HZ
    n_headers: int = 2

    def count(self, packet: bytes) -> int:
        """Frames times their length, both after the first two bytes."""
        if not packet:
            return 0
        n_frames = (1, 2, 2, packet[1] & 0x3F if len(packet) > 1 else 0)[packet[0] & 3]
        return n_frames * _opus_frame(packet[0] >> 3)


def _opus_frame(config: int) -> int:
    if config < 12:
        return (480, 960, 1920, 2880)[config & 3]
    return (480, 960)[config & 1] if config < 16 else 120 << (config & 3)


@dataclass(slots=True)
class Vorbis:
    """Blocks of two sizes; half of one and half of the next overlap."""

    rate_hz: int
    sizes: tuple[int, int]
    block_flags: list[bool]
    n_headers: int = 3
    _previous: int = field(default=0, init=False)

    def count(self, packet: bytes) -> int:
        """A quarter of the block before and a quarter of this one; the first only prepares."""
        if not packet or packet[0] & 1:
            return 0
        mode = packet[0] >> 1 & ((1 << (len(self.block_flags) - 1).bit_length()) - 1)
        size = self.sizes[self.block_flags[min(mode, len(self.block_flags) - 1)]]
        before, self._previous = self._previous, size
        return before // 4 + size // 4 if before else 0


def _read_block_flags(setup: bytes) -> list[bool]:
    """Of each mode, whether its block is the long one: at the end of a header that is hard to read forwards."""
    bits = int.from_bytes(setup, "little")
    end = bits.bit_length() - 1  # the last bit that is set ends the header
    flags: list[bool] = []
    found: list[bool] = []
    while (
        end >= _LEAST_BITS and len(flags) < 64 and _is_mode(mode := bits >> (end - _MODE_BITS) & (1 << _MODE_BITS) - 1)
    ):
        end -= _MODE_BITS
        flags.insert(0, bool(mode & 1))
        if (bits >> (end - 6) & 0x3F) + 1 == len(flags):
            found = list(flags)
    return found


def _is_mode(mode: int) -> bool:
    return mode >> 33 < 64 and not mode >> 1 & 0xFFFF_FFFF
