import numpy as np
import pytest

from sluice.features import SAMPLE_RATE_HZ
from sluice.features.audio import extract_audio
from sluice.features.levels import FAR_QUIETER, find_scale
from tests.engine.features.clips import encode, find_loudest_band, play_tone

TONE = find_loudest_band(extract_audio(encode(play_tone(2.0))).rows[0])


@pytest.mark.parametrize("value", [20.0, 1e30, -3e38])
def test_a_single_absurd_sample_sets_no_scale(value: float) -> None:
    waveform = play_tone(2.0)
    waveform[100] = value
    features = extract_audio(encode(waveform, subtype="FLOAT"))
    assert find_loudest_band(features.rows[0]) == TONE
    assert features.partial is None


def test_a_constant_channel_sets_no_scale() -> None:
    sides = np.stack([play_tone(2.0), np.full(2 * SAMPLE_RATE_HZ, 1e30, np.float32)], axis=1)
    assert find_loudest_band(extract_audio(encode(sides, subtype="FLOAT")).rows[0]) == TONE


def test_what_is_too_quiet_next_to_the_loudest_is_said() -> None:
    waveform = np.concatenate([play_tone(2.0), play_tone(2.0, level=1e6)])
    assert extract_audio(encode(waveform, subtype="FLOAT")).partial == FAR_QUIETER


def test_usual_samples_stay_as_they_are() -> None:
    block = np.stack([play_tone(1.0), play_tone(1.0, level=2.0)], axis=1)
    scale = find_scale([block.astype(np.float64)], 2)
    assert (scale.gain, scale.note) == (1.0, None)
    assert np.array_equal(scale.apply(block), block)
    assert find_scale([], 1).gain == 1.0
