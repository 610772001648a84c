"""Sounds made by program, and the channel that all sounds pass."""

from itertools import pairwise

import numpy as np
import pytest

from sluice_models.recipes.audio.channel import colour, encode_and_decode, pass_channel
from sluice_models.recipes.audio.events import MAX_SCREAM_S, MAX_SHOT_S, synthesise_gunshot, synthesise_scream
from sluice_models.recipes.audio.sounds import (
    N_SAMPLES,
    SHRILL,
    SOUNDS,
    STEADY,
    SUDDEN,
    drums,
    hiss,
    hum,
    set_peak,
)

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("sound", SOUNDS)
def test_synthesised_sounds_are_finite_and_not_silent(sound):
    waveform = sound(np.random.default_rng(0))
    assert waveform.shape == (N_SAMPLES,)
    assert np.isfinite(waveform).all()
    assert np.abs(waveform).max() > 1e-3


def test_what_may_be_taken_for_an_event_is_among_the_sounds():
    assert set(SUDDEN) | set(SHRILL) | set(STEADY) <= set(SOUNDS)


def spectrum_of(waveform):
    """Power per octave from 125 Hz to 8 kHz."""
    power = np.abs(np.fft.rfft(waveform)) ** 2
    edges = 125 * 2 ** np.arange(7) * N_SAMPLES // 16_000
    return np.array([power[low:high].sum() for low, high in pairwise(edges)])


def test_noise_comes_in_all_colours():
    rng = np.random.default_rng(0)
    slopes = [np.polyfit(range(6), 10 * np.log10(spectrum_of(hiss(rng))), 1)[0] for _ in range(60)]
    assert min(slopes) < -2  # dB an octave: brown
    assert max(slopes) > 7  # violet


def test_the_mains_hum_at_their_own_frequency():
    found = set()
    for seed in range(12):
        power = np.abs(np.fft.rfft(hum(np.random.default_rng(seed))))[: 4 * 250]
        found.add(round(float(np.argmax(power)) / 4) % 50 * (round(float(np.argmax(power)) / 4) % 60))
    assert found == {0}


def test_drums_strike_and_fade():
    for seed in range(10):
        levels = np.abs(set_peak(drums(np.random.default_rng(seed)), 1.0)).reshape(-1, 320).max(axis=1)
        assert np.median(levels) < 0.7 * levels.max()


@pytest.mark.parametrize(("event", "longest_s"), [(synthesise_gunshot, MAX_SHOT_S), (synthesise_scream, MAX_SCREAM_S)])
def test_events_have_peak_one_and_a_limited_length(event, longest_s):
    rng = np.random.default_rng(0)
    for _ in range(10):
        waveform = event(rng)
        assert np.abs(waveform).max() == pytest.approx(1)
        assert 0.3 * 16_000 < len(waveform) <= longest_s * 16_000


def test_a_shot_is_sudden_and_a_scream_is_not():
    rng = np.random.default_rng(1)
    for _ in range(10):
        assert np.abs(synthesise_gunshot(rng)[:1600]).max() > 0.5
        assert np.abs(synthesise_scream(rng)[:80]).max() < 0.2


def test_the_channel_keeps_length_and_range_and_repeats_with_its_seed():
    waveform = set_peak(hiss(np.random.default_rng(0)), 1.0)
    for seed in range(20):
        passed = pass_channel(waveform, np.random.default_rng(seed))
        assert passed.shape == waveform.shape
        assert np.abs(passed).max() <= 1
        assert np.array_equal(passed, pass_channel(waveform, np.random.default_rng(seed)))


def test_codecs_do_not_move_the_sound():
    waveform = np.zeros(N_SAMPLES, np.float32)
    waveform[32_000:32_400] = np.sin(np.arange(400) / 4)
    for seed in range(20):
        decoded = encode_and_decode(waveform, np.random.default_rng(seed))
        centre = np.average(np.arange(N_SAMPLES), weights=decoded**2)
        assert abs(centre - 32_200) < 320


def test_a_room_rings_after_the_sound_and_never_before():
    click = np.zeros(N_SAMPLES, np.float32)
    click[16_000] = 1
    coloured = [colour(click, np.random.default_rng(seed)) for seed in range(10)]
    after = [np.square(sound[17_000:30_000]).sum() for sound in coloured]
    before = [np.square(sound[2_000:15_000]).sum() for sound in coloured]
    assert max(after) > 0.01
    assert max(before) < 0.001
