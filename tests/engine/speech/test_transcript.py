"""Segments over a pipe: what comes back is what went in, and nothing that a child cannot have meant."""

import msgspec
import pytest

from sluice.speech.transcript import MAX_LETTERS, MAX_SEGMENTS, Segment, read_segments, write_segments


def test_segments_come_back_as_they_went() -> None:
    segments = [Segment("one two", 0.0, 1.5), Segment("", 1.5, 2.0), Segment("三", 2.0, 2.0)]
    assert read_segments(write_segments(segments)) == segments


@pytest.mark.parametrize(
    "segment",
    [
        Segment("a", 2.0, 1.0),
        Segment("a", -1.0, 1.0),
        Segment("a", 0.0, float("inf")),
        Segment("a", 0.0, float("nan")),
        Segment("a" * (MAX_LETTERS + 1), 0.0, 1.0),
    ],
)
def test_what_no_transcriber_writes_is_refused(segment: Segment) -> None:
    with pytest.raises(ValueError, match="no transcript"):
        read_segments(write_segments([segment]))


def test_too_many_segments_are_refused() -> None:
    with pytest.raises(ValueError, match="no transcript"):
        read_segments(write_segments([Segment("a", 0.0, 1.0)] * (MAX_SEGMENTS + 1)))


@pytest.mark.parametrize("body", [b"", b"words", msgspec.msgpack.encode([["a", "b", 1.0]])])
def test_what_is_no_transcript_at_all_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (msgspec's own words)
        read_segments(body)
