"""Sounds made by program, 16 kHz mono in [-1, 1]: harmless rows that the bundle lacks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from engine.features import SAMPLE_RATE_HZ, WINDOW_S

N_SAMPLES = round(WINDOW_S * SAMPLE_RATE_HZ)
Waveform = npt.NDArray[np.float32]
Chance = np.random.Generator
_TIME_S = np.arange(N_SAMPLES) / SAMPLE_RATE_HZ


def synthesise(chance: Chance) -> Waveform:
    """One harmless sound of `WINDOW_S`, its peak at 0.05 to 0.9."""
    sound = SOUNDS[chance.integers(len(SOUNDS))](chance)
    return set_peak(sound, chance.uniform(0.05, 0.9))


def set_peak(sound: npt.NDArray[np.float32] | npt.NDArray[np.float64], peak: float) -> Waveform:
    """Scale a sound; silence stays silent."""
    return np.asarray(sound * (peak / max(float(np.abs(sound).max()), 1e-6)), np.float32)


def hiss(chance: Chance) -> Waveform:
    """Noise whose spectrum falls with the frequency to the power of 0 to 2."""
    spectrum = np.fft.rfft(chance.standard_normal(N_SAMPLES))
    slope = np.maximum(np.arange(len(spectrum)), 20.0) ** -chance.uniform(0, 1)
    swell = 1 + chance.uniform(0, 0.8) * np.sin(2 * np.pi * chance.uniform(0.1, 2) * _TIME_S)
    return np.asarray(np.fft.irfft(spectrum * slope, N_SAMPLES) * swell, np.float32)


def tone(chance: Chance) -> Waveform:
    """A steady tone with a few harmonics."""
    frequency_hz = chance.uniform(80, 3000)
    return _harmonics(chance, np.full(N_SAMPLES, frequency_hz))


def chirp(chance: Chance) -> Waveform:
    """A sweep, or a siren's rise and fall."""
    low_hz, high_hz = np.sort(chance.uniform(100, 4000, 2))
    share = _TIME_S / WINDOW_S if chance.random() < 0.5 else 0.5 + 0.5 * np.sin(_TIME_S * chance.uniform(1, 12))
    return _harmonics(chance, low_hz + (high_hz - low_hz) * share)


def music(chance: Chance) -> Waveform:
    """Plucked chords in a steady rhythm, with or without drums."""
    beat_s = chance.uniform(0.2, 0.8)
    root_hz = chance.uniform(100, 500)
    piece = np.zeros(N_SAMPLES)
    for start_s in np.arange(0, WINDOW_S, beat_s):
        for step in chance.choice([0, 3, 4, 5, 7, 9, 12], 3, replace=False):
            _strike(piece, start_s, root_hz * 2 ** (step / 12), chance.uniform(3, 10))
    return np.asarray(piece + drums(chance) * chance.choice([0.0, 1.0]), np.float32)


def drums(chance: Chance) -> Waveform:
    """Low kicks and short ticks: sudden, but no shots."""
    beat_s = chance.uniform(0.25, 1.0)
    piece = np.zeros(N_SAMPLES)
    for start_s in np.arange(chance.uniform(0, 0.3), WINDOW_S, beat_s):
        _strike(piece, start_s, chance.uniform(45, 120), 14)
        _strike(piece, start_s + beat_s / 2, chance.uniform(2500, 6000), 90)
    return np.asarray(piece, np.float32)


def knocks(chance: Chance) -> Waveform:
    """Damped knocks on wood, irregular."""
    piece = np.zeros(N_SAMPLES)
    for start_s in np.sort(chance.uniform(0, WINDOW_S, chance.integers(1, 8))):
        _strike(piece, start_s, chance.uniform(150, 900), chance.uniform(25, 60))
    return np.asarray(piece + 0.01 * hiss(chance), np.float32)


def beeps(chance: Chance) -> Waveform:
    """Short tones with pauses, as of a phone or a timer."""
    gate = np.sin(2 * np.pi * chance.uniform(0.5, 4) * _TIME_S) > chance.uniform(-0.5, 0.7)
    return np.asarray(tone(chance) * gate, np.float32)


SOUNDS: tuple[Callable[[Chance], Waveform], ...] = (hiss, tone, chirp, music, drums, knocks, beeps)


def _harmonics(chance: Chance, frequency_hz: npt.NDArray[np.float64]) -> Waveform:
    phase = 2 * np.pi * np.cumsum(frequency_hz) / SAMPLE_RATE_HZ
    n_harmonics = int(min(chance.integers(1, 6), 7000 // frequency_hz.max()))
    waves = [np.sin(phase * number) * chance.uniform(0.1, 1) / number for number in range(1, max(n_harmonics, 1) + 1)]
    return np.asarray(np.sum(waves, axis=0), np.float32)


def _strike(piece: npt.NDArray[np.float64], start_s: float, frequency_hz: float, decay_per_s: float) -> None:
    """Add a damped sine to `piece`, in place, until it has faded to under 1 %."""
    start = round(start_s * SAMPLE_RATE_HZ)
    n_samples = min(N_SAMPLES - start, round(5 / decay_per_s * SAMPLE_RATE_HZ))
    if n_samples > 0:
        elapsed_s = _TIME_S[:n_samples]
        piece[start : start + n_samples] += np.exp(-elapsed_s * decay_per_s) * np.sin(
            2 * np.pi * frequency_hz * elapsed_s
        )
