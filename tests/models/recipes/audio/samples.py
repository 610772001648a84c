"""Clips of noise that stand for a shot, a scream and something harmless."""

import numpy as np

from sluice.schema import LABELS
from sluice_models.recipes.audio.clips import Clip, sound_targets


def label_row(**known):
    return np.array([known.get(label, np.nan) for label in LABELS], np.float32)


def noise_clip(seed, source="made", **labels):
    waveform = np.random.default_rng(seed).uniform(-1, 1, 4000).astype(np.float32)
    return Clip(waveform, sound_targets(label_row(**labels)), source)


CLIPS = [
    noise_clip(0, gunshot=1, weapons=1, scream=0),
    noise_clip(1, gunshot=0, scream=1),
    noise_clip(2, gunshot=0, scream=0),
]
