import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from sluice.features.audio import extract_audio
from sluice.features.mpeg import find_frames, split_segments
from sluice.features.sources import open_sources
from tests.engine.features.clips import encode, play_tone

ONE = encode(play_tone(2.0), kind="MP3")
OTHER = encode(play_tone(2.0, 22_050), 22_050, "MP3")


def test_an_honest_file_comes_back_as_it_is() -> None:
    (segment,) = split_segments(ONE, 120.0)
    assert segment.content is ONE
    assert segment.is_counted


def test_joined_files_are_taken_apart() -> None:
    assert [each.content for each in split_segments(ONE + OTHER + ONE, 120.0)] == [ONE, OTHER, ONE]


def test_tags_between_files_are_passed_over() -> None:
    tag = b"ID3\x04\0\0\0\0\0\x10" + bytes(16)
    assert len(split_segments(ONE + b"TAG" + bytes(125) + tag + OTHER, 120.0)) == 2


def make_tag(n_bytes: int) -> bytes:
    """An ID3 tag of version 2; its size stands in four times seven bits."""
    size = bytes(n_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + size + bytes(n_bytes)


def test_a_tag_is_passed_over_by_the_size_that_it_states() -> None:
    """Its picture may hold what looks like frames."""
    tag = make_tag(len(OTHER))[:10] + OTHER
    (segment,) = split_segments(tag + ONE, 120.0)
    assert segment.content.endswith(ONE)
    first, second = split_segments(ONE + tag + ONE, 120.0)
    assert (first.content[: len(ONE)], second.content) == (ONE, ONE)


@pytest.mark.parametrize("tail", [make_tag(300), make_tag(300)[:60], b"TAG" + bytes(125)])
def test_a_tag_at_the_end_is_no_segment(tail: bytes) -> None:
    assert len(split_segments(ONE + tail, 120.0)) == 1


def test_no_more_frames_are_looked_at_than_are_heard() -> None:
    assert len(split_segments(ONE + OTHER + ONE, 1.0)) == 1


def test_frames_are_found_behind_other_bytes() -> None:
    assert find_frames(b"words" * 9 + ONE) == 45
    assert find_frames(np.random.default_rng(0).bytes(9_999).replace(b"\xff", b"")) is None


@given(st.binary(max_size=400), st.integers(0, 400))
def test_any_bytes_have_segments(content: bytes, place: int) -> None:
    assert split_segments(ONE[:place] + content + ONE[place:], 10.0)


@pytest.mark.parametrize("tag", [b"ID3\x03\0\0\x7f\x7f\x7f\x7f", b"ID3\x03\0\0\0\0\0\0" + b"x" * 3_000])
def test_a_tag_of_a_wrong_size_hides_no_frames(tag: bytes) -> None:
    (segment,) = split_segments(tag + ONE, 120.0)
    assert segment.content == ONE


def test_frames_behind_a_page_are_heard() -> None:
    assert extract_audio(b"<html>sorry</html>\n" + ONE).rows[0].end_s == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize(
    ("trims", "is_kept"), [(b"\xff\xff\xff", False), (b"\x24\x0f\xff", False), (b"\x45\x06\x00", True)]
)
def test_no_more_is_trimmed_than_encoders_add(trims: bytes, is_kept: bool) -> None:
    place = max(ONE.find(b"Xing"), ONE.find(b"Info")) + 141
    (segment,) = split_segments(ONE[:place] + trims + ONE[place + 3 :], 120.0)
    assert segment.content == ONE[:place] + (trims if is_kept else bytes(3)) + ONE[place + 3 :]


def test_blocks_are_the_same_as_the_file_as_a_whole() -> None:
    """A decoder that is told to go where it is forgets what frames leave to the next one."""
    noise = np.random.default_rng(0).normal(0.0, 0.1, 5 * 16_000)
    file = io.BytesIO()
    soundfile.write(file, noise, 16_000, format="MP3")
    (source,) = open_sources(file.getvalue(), 10.0)
    (segment,) = split_segments(file.getvalue(), 10.0)
    with soundfile.SoundFile(io.BytesIO(segment.content)) as clip:
        whole = clip.read(dtype="float32", always_2d=True)
    assert np.array_equal(np.concatenate(list(source.blocks)), whole)
