import numpy as np
import pytest

from sluice.contract import MAX_AUDIO_ROWS
from sluice.features import SAMPLE_RATE_HZ
from sluice.features.audio import MORE_CANCELS, extract_audio
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


def test_two_pairs_that_cancel_are_both_heard() -> None:
    low, high = play_tone(4.0, pitch_hz=300.0), play_tone(4.0, pitch_hz=3_000.0, level=0.1)
    rows = extract_audio(encode(np.stack([low, -low, high, -high, play_tone(4.0, pitch_hz=900.0)], axis=1))).rows
    assert set(find_bands(rows)) == {
        find_loudest_band(extract_audio(encode(play_tone(4.0, pitch_hz=pitch))).rows[0]) for pitch in (300, 900, 3_000)
    }


def test_a_brief_sound_in_a_quiet_channel_is_heard() -> None:
    six = np.zeros((60 * SAMPLE_RATE_HZ, 6), dtype=np.float32)
    six[:, 0] = six[:, 1] = play_tone(60.0, pitch_hz=300.0, level=0.9)
    start = 31 * SAMPLE_RATE_HZ
    six[start : start + 800, 2] = play_tone(0.05, pitch_hz=3_000.0, level=0.2)
    window = extract_audio(encode(six)).rows[10]
    band = find_loudest_band(extract_audio(encode(play_tone(4.0, pitch_hz=3_000.0))).rows[0])
    assert window.log_mel[band].max() > 0.0


def test_of_many_channels_no_more_rows_come_than_are_allowed() -> None:
    time_s = np.arange(125 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    tones = [0.3 * np.sin(2 * np.pi * pitch * time_s).astype(np.float32) for pitch in (300, 900, 3_000)]
    sides = np.stack([side for tone in tones for side in (tone, -tone)] + [play_tone(125.0)], axis=1)
    features = extract_audio(encode(sides))
    assert len(features.rows) == MAX_AUDIO_ROWS
    assert str(features.partial).startswith(MORE_CANCELS)
