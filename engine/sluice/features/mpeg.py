"""MP3 files as they are found: several joined into one, headers that count wrongly, other bytes before the first frame.

Frame headers after ISO 11172-3, section 2.4.2.3; the count of frames after the Xing and VBRI headers that encoders
hide in a first frame without sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

_RATES_HZ = (44_100, 48_000, 32_000)
_KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_LAYER_3 = 0b01
_MONO = 0b11
_NO_BITRATES = (0, 15)
_COUNTERS = (b"Xing", b"Info")
_VBRI, _VBRI_OFFSET = b"VBRI", 36
_COUNT_SLACK = 2
_XING_FIELDS = (4, 4, 100, 4)
_TRIM_OFFSET, _MAX_TRIM = 21, 3_000  # two frames and a decoder's own delay are 2,833
_COUNTER_BITRATE = 4
_ID3_BYTES = 10
_TAGS = frozenset({b"TAG", b"ID3", b"APE"})
MAX_SEARCH_BYTES = 64 * 1024


class Header(NamedTuple):
    """What the first four bytes of a frame of layer III say: a file has hundreds of frames, and few of these.

    Attributes
    ----------
    n_bytes : int
        Of the whole frame.
    n_side : int
        Bytes of side information behind the header's four.
    """

    n_bytes: int
    rate_hz: int
    is_mono: bool
    seconds: float
    n_side: int


class Frame(NamedTuple):
    """One frame of a file.

    Attributes
    ----------
    n_stated : int or None
        Of frames, by its own word, where the frame is a header without sound.
    """

    start: int
    header: Header
    n_stated: int | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of frames that one decoder can read.

    Attributes
    ----------
    is_counted : bool
        Whether the length that the file states for it can be relied on.
    """

    content: bytes
    is_counted: bool


def split_segments(content: bytes, max_s: float) -> list[Segment]:
    """The files that were joined into an MP3, each as a decoder reads it to its end.

    Parameters
    ----------
    content : bytes
        One file with an honest header comes back alone, as it is, and so does what has no two frames.
    max_s : float
        Frames are looked at up to here, in seconds.
    """
    content = _without_false_tag(content)
    runs = _group(_frames(content, max_s))
    if sum(map(len, runs)) < 2:
        return [Segment(content, True)]
    content = _without_false_trims(content, [run[0] for run in runs])
    ends = [run[0].start for run in runs[1:]] + [len(content)]
    if len(runs) == 1:
        return [_segment(content, runs[0], 0, len(content))]
    return [_segment(content, run, run[0].start, end) for run, end in zip(runs, ends, strict=True)]


def _without_false_tag(content: bytes) -> bytes:
    """A file from its first frame on, where its tag is longer or shorter than it says."""
    if content[:3] != b"ID3":
        return content
    behind = skip_tag(content, 0)
    if behind is not None and _is_frame(content, behind):
        return content
    start = _find_frame(content[: (behind or 0) + MAX_SEARCH_BYTES], behind or _ID3_BYTES)
    return content if start is None else content[start:]


def find_frames(content: bytes) -> int | None:
    """Where two frames follow each other within the first bytes; None if nowhere."""
    return next((frame.start for frame in _frames(content[:MAX_SEARCH_BYTES], 0.0)), None)


def _segment(content: bytes, run: list[Frame], start: int, end: int) -> Segment:
    first, n_sounding = run[0], len(run) - (run[0].n_stated is not None)
    whole = content if (start, end) == (0, len(content)) else content[start:end]
    if first.n_stated is None:
        return Segment(_counter(content, first, n_sounding) + whole, False) if _varies(run) else Segment(whole, True)
    if n_sounding <= first.n_stated + _COUNT_SLACK:
        return Segment(whole, True)
    head = bytearray(content[first.start : first.start + first.header.n_bytes])
    place = _VBRI_OFFSET + 14 if head[_VBRI_OFFSET : _VBRI_OFFSET + 4] == _VBRI else 4 + first.header.n_side + 8
    head[place : place + 4] = n_sounding.to_bytes(4, "big")
    return Segment(bytes(head) + content[first.start + first.header.n_bytes : end], False)


def _without_false_trims(content: bytes, firsts: list[Frame]) -> bytes:
    """A file whose headers cut off no more of its start and end than encoders add."""
    for frame in firsts:
        place = frame.start + 4 + frame.header.n_side
        if content[place : place + 4] in _COUNTERS:
            content = _without_false_trim(content, place)
    return content


def _without_false_trim(content: bytes, xing: int) -> bytes:
    """LAME writes twelve bits of delay and twelve of padding behind the fields that a Xing header has by its flags."""
    flags = int.from_bytes(content[xing + 4 : xing + 8], "big")
    fields = sum(size for bit, size in enumerate(_XING_FIELDS) if flags >> bit & 1)
    place = xing + 8 + fields + _TRIM_OFFSET
    trims = int.from_bytes(content[place : place + 3], "big")
    if max(trims >> 12, trims & 0xFFF) <= _MAX_TRIM or place + 3 > len(content):
        return content
    return content[:place] + bytes(3) + content[place + 3 :]


def _varies(run: list[Frame]) -> bool:
    """Whether frames differ by more than a byte of padding: the first ones do not tell how many there are."""
    sizes = [frame.header.n_bytes for frame in run]
    return max(sizes) - min(sizes) > 1


def _counter(content: bytes, frame: Frame, n_frames: int) -> bytes:
    """A frame without sound that counts those behind it: libsndfile reads no further than it expects."""
    head = bytearray(content[frame.start : frame.start + 4])
    head[2] = (max(head[2] >> 4, _COUNTER_BITRATE) << 4) | (head[2] & 0x0C)
    counted = _read_header(bytes(head))
    body = bytes(frame.header.n_side) + b"Xing" + (1).to_bytes(4, "big") + n_frames.to_bytes(4, "big")
    return (bytes(head) + body).ljust(counted.n_bytes if counted else 0, b"\0")


def _group(frames: Iterator[Frame]) -> list[list[Frame]]:
    runs: list[list[Frame]] = []
    for frame in frames:
        last = runs[-1][-1] if runs else None
        if last is not None and frame.n_stated is None and _are_alike(last.header, frame.header):
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return runs


def _are_alike(one: Header, other: Header) -> bool:
    return one is other or (one.rate_hz, one.is_mono) == (other.rate_hz, other.is_mono)


def _frames(content: bytes, max_s: float) -> Iterator[Frame]:
    """Frames one after another; what lies between them, such as tags, is passed over."""
    place, seconds = skip_tag(content, 0), 0.0
    while place is not None and seconds <= max_s:
        header = _read_header(content[place : place + 4])
        if header is None or not _is_followed(content, place + header.n_bytes):
            place = _find_frame(content, place + 1)
            continue
        yield Frame(place, header, _read_count(content, place, header))
        seconds += header.seconds
        place = skip_tag(content, place + header.n_bytes)


def _find_frame(content: bytes, place: int) -> int | None:
    while (place := content.find(b"\xff", place)) >= 0:
        header = _read_header(content[place : place + 4])
        if header is not None and _is_followed(content, place + header.n_bytes):
            return place
        place += 1
    return None


def _is_followed(content: bytes, end: int) -> bool:
    """Whether another frame stands where a frame ends, a tag begins or the file ends: else it may be chance."""
    return _is_frame(content, end) or end >= len(content) - 3 or content[end : end + 3] in _TAGS


def _is_frame(content: bytes, place: int) -> bool:
    return _read_header(content[place : place + 4]) is not None


def skip_tag(content: bytes, place: int) -> int | None:
    """Behind an ID3 tag: version 2 states its size in four times seven bits, version 1 has 128 bytes."""
    if content.startswith(b"ID3", place) and place + _ID3_BYTES <= len(content):
        size = 0
        for seven_bits in content[place + 6 : place + _ID3_BYTES]:
            size = size << 7 | seven_bits & 0x7F
        place += _ID3_BYTES + size
    if content.startswith(b"TAG", place):
        place += 128
    return place if place < len(content) else None


@lru_cache(maxsize=1024)
def _read_header(head: bytes) -> Header | None:
    """What four bytes say that begin a frame of layer III; None if they begin none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer != _LAYER_3 or bitrate in _NO_BITRATES or rate == 3:
        return None
    is_first = version == 3  # MPEG 1; 2 is MPEG 2 and 0 is MPEG 2.5
    rate_hz = _RATES_HZ[rate] >> {3: 0, 2: 1, 0: 2}[version]
    n_samples = 1152 if is_first else 576
    kbps = (_KBPS_1 if is_first else _KBPS_2)[bitrate]
    n_bytes = n_samples // 8 * kbps * 1000 // rate_hz + (head[2] >> 1 & 1)
    is_mono = head[3] >> 6 == _MONO
    n_side = (17 if is_mono else 32) if is_first else (9 if is_mono else 17)
    return Header(n_bytes, rate_hz, is_mono, n_samples / rate_hz, n_side)


def _read_count(content: bytes, place: int, header: Header) -> int | None:
    """How many frames the one at `place` says that there are; None if it does not."""
    offset = 4 + header.n_side
    if not (content.startswith(_COUNTERS, place + offset) or content.startswith(_VBRI, place + _VBRI_OFFSET)):
        return None
    frame = content[place : place + min(header.n_bytes, 64)]
    if frame[offset : offset + 4] in _COUNTERS and len(frame) >= offset + 12:
        has_count = frame[offset + 7] & 1
        return int.from_bytes(frame[offset + 8 : offset + 12], "big") if has_count else None
    if frame[_VBRI_OFFSET : _VBRI_OFFSET + 4] == _VBRI:
        return int.from_bytes(frame[_VBRI_OFFSET + 14 : _VBRI_OFFSET + 18], "big")
    return None
