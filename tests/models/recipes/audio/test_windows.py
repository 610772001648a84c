"""What the audio encoder is trained on: events over backgrounds, with the frames in which they are loud."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sluice.schema import LABELS
from sluice_models.recipes.audio.clips import (
    HARMLESS,
    Clip,
    make_event,
    sort_clips,
)
from sluice_models.recipes.audio.sounds import N_SAMPLES
from sluice_models.recipes.audio.windows import (
    MIN_HEARD,
    compose_sounds,
    cut_out,
    draw_background,
    end_early,
    join_targets,
    loud_power,
    mix,
    scale_background,
    sound_batches,
)
from tests.models.recipes.audio.samples import CLIPS, label_row, noise_clip

pytestmark = pytest.mark.torch
GUNSHOT, SCREAM, WEAPONS, SHOUTING = (LABELS.index(name) for name in ("gunshot", "scream", "weapons", "shouting"))


def test_composed_windows_have_events_with_loud_frames_and_rows_without_any():
    sounds = compose_sounds(CLIPS, 40, seed=0)
    assert sounds.log_mels.shape == (40, 64, 200)
    for label in (GUNSHOT, SCREAM):
        with_event = sounds.targets[:, label] == 1
        assert 0 < with_event.sum() < 40
        assert (sounds.frames[with_event, label] == 1).any(axis=1).all()
        assert (sounds.frames[~with_event, label] == 0).all()


def test_some_windows_have_nothing_at_all_behind_the_sound():
    rng = np.random.default_rng(0)
    silent = [not draw_background(sort_clips(CLIPS), rng).waveform.any() for _ in range(100)]
    assert 10 < sum(silent) < 45


@pytest.mark.parametrize("seed", range(20))
def test_a_clip_that_ends_early_is_silent_from_there_and_still_has_its_event(seed):
    rng = np.random.default_rng(seed)
    noise = Clip(rng.uniform(-1, 1, N_SAMPLES).astype(np.float32), HARMLESS)
    whole = mix(make_event("gunshot", rng), noise, 0.0, rng)
    waveform, targets, frames = end_early(whole, rng)
    end = int(np.flatnonzero(waveform)[-1]) + 1
    assert np.array_equal(waveform[:end], whole[0][:end])
    assert end >= MIN_HEARD
    assert targets[GUNSHOT] == 1
    assert frames[GUNSHOT].sum() >= 1
    assert not frames[GUNSHOT, -(-end // 1280) + 1 :].any()


def test_what_nobody_annotated_stays_open_behind_the_end():
    silence = Clip(np.zeros(N_SAMPLES, np.float32), HARMLESS)
    rng = np.random.default_rng(0)
    row = mix(noise_clip(1, gunshot=0, scream=1), silence, 0.0, rng)
    assert np.isnan(end_early(row, rng)[2][SHOUTING]).all()


def test_the_same_seed_composes_the_same():
    first, second = (compose_sounds(CLIPS, 6, seed=3) for _ in range(2))
    assert np.array_equal(first.log_mels, second.log_mels)
    assert not np.array_equal(first.log_mels, compose_sounds(CLIPS, 6, seed=4).log_mels)


def test_a_marked_frame_is_where_the_event_was_laid():
    rng = np.random.default_rng(0)
    silence = Clip(np.zeros(N_SAMPLES, np.float32), HARMLESS)
    waveform, targets, frames = mix(CLIPS[0], silence, 0.0, rng)
    loud = np.abs(waveform).reshape(50, -1).max(axis=1) > 0.5 * np.abs(waveform).max()
    assert targets[GUNSHOT] == 1
    assert 4 <= frames[GUNSHOT].sum() <= 5
    assert (frames[GUNSHOT][loud] == 1).all()


@pytest.mark.parametrize("snr_db", [-10, 0, 20])
def test_backgrounds_are_scaled_to_the_ratio_whatever_their_level(snr_db):
    event = make_event("gunshot", np.random.default_rng(0)).waveform
    background = draw_background(sort_clips(CLIPS), np.random.default_rng(1)).waveform
    for level in (0.01, 1.0):
        scaled = scale_background(background * np.float32(level), event, snr_db)
        assert_allclose(10 * np.log10(loud_power(event) / loud_power(scaled)), snr_db, atol=0.1)


def test_pauses_do_not_count_for_the_level():
    steady = np.full(3200, 0.5, np.float32)
    assert_allclose(loud_power(np.concatenate([steady, np.zeros(6400, np.float32)])), loud_power(steady))


def test_a_silent_background_stays_silent():
    silence = np.zeros(N_SAMPLES, np.float32)
    assert not scale_background(silence, CLIPS[0].waveform, 0).any()


def test_the_noise_floor_around_a_sound_is_cut_off():
    floor = 0.001 * np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
    floor[16_000:19_200] += 0.5
    assert 3200 <= len(cut_out(floor)) <= 3200 + 3 * 320


def test_two_sounds_at_once_are_what_either_is():
    first, second = label_row(gunshot=1, scream=0, shouting=0), label_row(scream=0)
    joined = join_targets(first, second)
    assert joined[GUNSHOT] == 1
    assert joined[SCREAM] == 0
    assert np.isnan(joined[SHOUTING])


def test_batches_are_varied_and_the_same_at_each_start():
    sounds = compose_sounds(CLIPS, 6, seed=0)
    first, second = (next(sound_batches(sounds, 6))[0] for _ in range(2))
    assert first.equal(second)
    assert first.min() >= -1
    assert first.max() <= 1
