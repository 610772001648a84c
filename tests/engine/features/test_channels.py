import numpy as np
import pytest

from sluice.features import SAMPLE_RATE_HZ
from sluice.features.audio import extract_audio
from tests.engine.features.clips import encode, find_bands, find_loudest_band, play_tone


def test_channels_are_mixed() -> None:
    left = play_tone(2.0)
    stereo = extract_audio(encode(np.stack([left, np.zeros_like(left)], axis=1))).rows[0]
    assert find_loudest_band(stereo) == find_loudest_band(extract_audio(encode(left)).rows[0])


def test_what_cancels_between_channels_is_heard() -> None:
    low, high = play_tone(4.0, pitch_hz=300.0), play_tone(4.0, pitch_hz=3_000.0)
    rows = extract_audio(encode(np.stack([low + high, low - high], axis=1) / 2)).rows
    assert find_bands(rows) == find_bands(extract_audio(encode(low)).rows + extract_audio(encode(high)).rows)


def test_one_inverted_side_is_heard() -> None:
    tone = play_tone(4.0)
    (row,) = extract_audio(encode(np.stack([tone, -tone], axis=1))).rows
    assert find_loudest_band(row) == find_loudest_band(extract_audio(encode(tone)).rows[0])


def test_sides_that_do_not_cancel_are_averaged_alone() -> None:
    rng = np.random.default_rng(0)
    sides = rng.normal(0.0, 0.1, (8 * SAMPLE_RATE_HZ, 2)).astype(np.float32)
    assert len(extract_audio(encode(sides)).rows) == 3
    assert len(extract_audio(encode(np.stack([play_tone(4.0), play_tone(4.0, pitch_hz=900.0)], axis=1))).rows) == 1


@pytest.mark.parametrize("channel", range(6))
def test_one_channel_of_six_is_as_loud_as_it_was(channel: int) -> None:
    six = np.zeros((2 * SAMPLE_RATE_HZ, 6), dtype=np.float32)
    six[:, channel] = play_tone(2.0, level=0.003)
    expected = extract_audio(encode(play_tone(2.0, level=0.003)))
    np.testing.assert_allclose(extract_audio(encode(six)).rows[0].log_mel, expected.rows[0].log_mel, atol=0.01)


def test_what_cancels_among_six_channels_is_heard() -> None:
    low, high = play_tone(4.0, pitch_hz=300.0), play_tone(4.0, pitch_hz=3_000.0)
    six = np.stack([low + high, low - high, low + high, low - high, low + high, low - high], axis=1) / 4
    bands = find_bands(extract_audio(encode(six)).rows)
    assert find_loudest_band(extract_audio(encode(high)).rows[0]) in bands
