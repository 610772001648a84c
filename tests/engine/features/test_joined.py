import numpy as np
import pytest

from sluice.features.audio import extract_audio
from sluice.features.joined import UNREAD, split_files
from tests.engine.features.clips import FORMATS, encode, find_loudest_band, play_tone

LOW = {kind: encode(play_tone(4.0, pitch_hz=300.0), kind=kind) for kind in FORMATS}
HIGH = {kind: encode(play_tone(4.0, pitch_hz=3_000.0), kind=kind) for kind in FORMATS}
HEARD = [
    ("FLAC", "FLAC"), ("OGG", "MP3"), ("MP3", "WAV"), ("MP3", "OGG"), ("WAV", "WAV"), ("OGG", "OGG"), ("FLAC", "OGG"),
    ("WAV", "FLAC"),
]  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_alone_comes_back_as_it_is(kind: str) -> None:
    assert split_files(LOW[kind]) == [LOW[kind]]


@pytest.mark.parametrize(("first", "second"), HEARD)
def test_joined_files_are_heard_to_their_end(first: str, second: str) -> None:
    features = extract_audio(LOW[first] + HIGH[second])
    low, high = features.rows[0], features.rows[-1]
    assert high.end_s == pytest.approx(8.0, abs=0.3)
    assert find_loudest_band(low) < find_loudest_band(high)
    assert features.partial is None


@pytest.mark.parametrize("kind", FORMATS)
def test_a_tag_before_a_file_is_none_of_its_own(kind: str) -> None:
    tag = b"ID3\x03\0\0\0\0\x07\x76" + np.random.default_rng(0).bytes(1014)
    assert len(extract_audio(tag + LOW[kind]).rows) == len(extract_audio(LOW[kind]).rows)


def test_what_cannot_be_read_behind_a_file_is_said() -> None:
    assert extract_audio(LOW["MP3"] + b"fLaC\0\0\0\x22" + bytes(200)).partial == UNREAD
