"""What was said in a clip, and when; and how it goes over a pipe."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

MAX_LETTERS = 2_000
"""Of one segment: Whisper writes at most 224 tokens of half a minute."""
MAX_SEGMENTS = 1_000


class Segment(msgspec.Struct, array_like=True, frozen=True):
    """A stretch of speech.

    Attributes
    ----------
    text : str
        Empty where nobody can tell what is said.
    start_s, end_s : float
        In the sound that was transcribed.
    """

    text: str
    start_s: float
    end_s: float


_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(list[Segment])


def write_segments(segments: Sequence[Segment]) -> bytes:
    """Segments as bytes."""
    return _ENCODER.encode(segments)


def read_segments(body: bytes) -> list[Segment]:
    """Segments out of what a child wrote; raises `ValueError` where it cannot be what one writes."""
    segments = _DECODER.decode(body)
    if len(segments) > MAX_SEGMENTS or not all(_is_possible(segment) for segment in segments):
        raise ValueError("no transcript")
    return segments


def _is_possible(segment: Segment) -> bool:
    return len(segment.text) <= MAX_LETTERS and 0.0 <= segment.start_s <= segment.end_s < float("inf")
