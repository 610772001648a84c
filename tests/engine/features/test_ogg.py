import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.features.audio import extract_audio
from sluice.features.ogg import CUT_SHORT, DAMAGED, repair_lengths, split_links
from tests.engine.features.clips import Waveform, encode, play_tone, sign_page, split_pages

ONE, OTHER = encode(play_tone(1.0), kind="OGG"), encode(play_tone(1.0, 22_050), 22_050, "OGG")


def make_noise() -> Waveform:
    return np.random.default_rng(0).normal(0.0, 0.1, 6 * 48_000).astype(np.float32)


CLIPS = [encode(make_noise(), 48_000, "OGG", subtype) for subtype in ("VORBIS", "OPUS")]
EARLY = (1_000).to_bytes(8, "little")


def test_a_chain_is_taken_apart() -> None:
    assert split_links(ONE + OTHER + ONE) == [ONE, OTHER, ONE]


def test_a_file_alone_comes_back_as_it_is() -> None:
    assert split_links(ONE) == [ONE]
    assert split_links(b"OggS") == [b"OggS"]


@pytest.mark.parametrize("clip", [*CLIPS, ONE, OTHER])
def test_an_honest_file_stays_as_it_is(clip: bytes) -> None:
    assert repair_lengths(clip) == (clip, None)


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("granule", [EARLY, bytes(8), b"\xff" * 8])
@pytest.mark.parametrize("n_false", [1, 5])
def test_a_length_that_is_too_small_is_mended(clip: bytes, granule: bytes, n_false: int) -> None:
    pages = split_pages(clip)
    for page in pages[-n_false:]:
        page[6:14] = granule
    features = extract_audio(b"".join(map(sign_page, pages)))
    assert features.rows[-1].end_s == pytest.approx(6.0, abs=0.05)
    assert features.partial is None


@pytest.mark.parametrize("clip", CLIPS)
def test_an_early_end_is_passed_over(clip: bytes) -> None:
    pages = split_pages(clip)
    pages[4][5] |= 4
    assert extract_audio(b"".join(map(sign_page, pages))).rows[-1].end_s == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize("clip", CLIPS)
def test_what_is_missing_is_said(clip: bytes) -> None:
    pages = split_pages(clip)
    assert extract_audio(clip[: len(clip) * 7 // 10]).partial == CUT_SHORT
    assert extract_audio(b"".join(pages[:-1])).partial == CUT_SHORT
    assert extract_audio(b"".join(pages[:4] + pages[5:])).partial == DAMAGED
    pages[4][100] ^= 0xFF
    assert extract_audio(b"".join(pages)).partial == DAMAGED


@settings(deadline=None)
@given(
    clip=st.sampled_from([ONE, encode(play_tone(0.2), kind="OGG", subtype="OPUS")]),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    cut=st.floats(0.0, 1.0),
)
def test_any_damaged_file_is_repaired_or_described(clip: bytes, edits: list[tuple[float, int]], cut: float) -> None:
    damaged = bytearray(clip)
    for place, value in edits:
        damaged[int(place * len(damaged))] = value
    content = bytes(damaged[: int(cut * len(damaged))])
    assert len(repair_lengths(content)[0]) == len(content)
