"""Shots and screams made by program, 16 kHz mono: more kinds of them than the few recorded sources hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sluice.features import SAMPLE_RATE_HZ
from sluice_models.recipes.audio.sounds import Waveform, add_at, band_noise, set_peak

Float64 = npt.NDArray[np.float64]
MAX_SHOT_S, MAX_SCREAM_S = 2.5, 2.5
_MODULATION_HZ = (30.0, 150.0)


def synthesise_gunshot(rng: np.random.Generator) -> Waveform:
    """One to six shots of one weapon, shape = (n,), at most `MAX_SHOT_S`, peak 1; starts with the first shot."""
    length_s = rng.uniform(0.4, 1.4)
    shot = _gunshot(rng, round(length_s * SAMPLE_RATE_HZ))
    n_shots = 1 if rng.random() < 0.6 else int(rng.integers(2, 7))
    gap_s = rng.uniform(0.07, 0.22)
    piece = np.zeros(round(min(length_s + gap_s * (n_shots - 1), MAX_SHOT_S) * SAMPLE_RATE_HZ))
    for number in range(n_shots):
        add_at(piece, number * gap_s, shot * rng.uniform(0.8, 1))
    return set_peak(piece, 1.0)


def _gunshot(rng: np.random.Generator, n_samples: int) -> Float64:
    """A blast, its low-frequency tail, a rumble, and echoes from up to four walls."""
    time_s = np.arange(n_samples) / SAMPLE_RATE_HZ
    blast = _tilted_noise(rng, n_samples) * np.exp(-time_s * rng.uniform(25, 160))
    thump = np.sin(2 * np.pi * rng.uniform(40, 180) * time_s) * np.exp(-time_s * rng.uniform(8, 30))
    rumble = band_noise(rng, rng.uniform(150, 900), 1.3, n_samples) * np.exp(-time_s * rng.uniform(3, 12))
    dry = blast + rng.uniform(0.1, 0.7) * thump + rng.uniform(0.05, 0.4) * rumble
    shot = dry.copy()
    for _ in range(rng.integers(0, 5)):
        smooth = np.convolve(dry, np.hanning(rng.integers(3, 16)), "same")
        add_at(shot, rng.uniform(0.03, 0.5), smooth / np.abs(smooth).max() * rng.uniform(0.05, 0.5))
    return _add_crack(rng, shot) if rng.random() < 0.3 else shot


def _add_crack(rng: np.random.Generator, shot: Float64) -> Float64:
    """The bullet's own shock wave, 3 to 50 ms before the blast."""
    cracked = np.zeros(len(shot))
    add_at(cracked, rng.uniform(0.003, 0.05), shot)
    cracked[: rng.integers(4, 16)] += np.sign(rng.uniform(-1, 1)) * rng.uniform(0.3, 1)
    return cracked


def _tilted_noise(rng: np.random.Generator, n_samples: int) -> Float64:
    """Noise whose amplitude falls with the frequency to the power of 0 to 1 above 100 to 800 Hz; loudest sample 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    frequencies_hz = np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE_HZ)
    corner_hz = rng.uniform(100, 800)
    noise = np.fft.irfft(spectrum * np.maximum(frequencies_hz / corner_hz, 1.0) ** -rng.uniform(0, 1), n_samples)
    return np.asarray(noise / np.abs(noise).max())


def synthesise_scream(rng: np.random.Generator) -> Waveform:
    """A long, high voice with roughness, shape = (n,), 0.5 to `MAX_SCREAM_S`, peak 1.

    What makes a scream is loudness modulated at 30 to 150 Hz (Arnal et al. 2015), here together with jitter, breath and
    a pitch of 500 to 1700 Hz that rises, stays and falls.
    """
    n_samples = round(rng.uniform(0.5, MAX_SCREAM_S) * SAMPLE_RATE_HZ)
    time_s = np.arange(n_samples) / SAMPLE_RATE_HZ
    pitch_hz = _scream_pitch(rng, time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    waves = np.zeros(n_samples)
    for number in range(1, int(7500 / pitch_hz.max()) + 1):
        waves += np.sin(number * phase) * rng.uniform(0.2, 1) / number ** rng.uniform(0.2, 1)
    waves /= np.abs(waves).max()
    breath = band_noise(rng, rng.uniform(1500, 3500), 0.8, n_samples) * rng.uniform(0.05, 0.5)
    edges = np.minimum(time_s / rng.uniform(0.03, 0.2), 1) * np.minimum((time_s[-1] - time_s) / 0.15, 1)
    return set_peak((waves + breath) * _roughness(rng, time_s) * edges, 1.0)


def _scream_pitch(rng: np.random.Generator, time_s: Float64) -> Float64:
    top_hz = rng.uniform(500, 1700)
    knots = top_hz * np.array([rng.uniform(0.5, 0.9), 1, rng.uniform(0.9, 1.05), rng.uniform(0.5, 0.95)])
    course = np.interp(time_s / time_s[-1], [0, rng.uniform(0.1, 0.3), rng.uniform(0.6, 0.85), 1], knots)
    steps = np.interp(time_s, np.arange(0, MAX_SCREAM_S, 0.01), rng.standard_normal(round(MAX_SCREAM_S * 100)))
    vibrato = rng.uniform(0, 0.04) * np.sin(2 * np.pi * rng.uniform(4, 9) * time_s)
    return np.asarray(course * (1 + vibrato + rng.uniform(0.003, 0.03) * steps))


def _roughness(rng: np.random.Generator, time_s: Float64) -> Float64:
    """Modulation that comes and goes, in [1 - depth, 1]."""
    depth = rng.uniform(0.2, 0.9) * (0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.3, 2) * time_s))
    beats = np.sin(2 * np.pi * rng.uniform(*_MODULATION_HZ) * time_s)
    return np.asarray(1 - depth * (0.5 + 0.5 * beats))
