"""What a sound passes on its way: room, microphone, level, clipping, codec.

Rows with and without an event pass the same, so that neither room nor recording tells which is which.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import scipy.fft
import soundfile

from sluice.features import SAMPLE_RATE_HZ
from sluice_models.recipes.audio.sounds import Waveform, set_peak

_MAX_ROOM_S = 0.8
_ANCHORS_HZ = np.geomspace(50, 8000, 8)
_GRID_HZ = np.geomspace(5, 8000, 200)
"""Where a microphone's gains are computed; between them they are interpolated."""
_MU = 255.0  # ITU-T G.711


def pass_channel(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """A waveform as a recording of it may sound, shape = (n,), in [-1, 1]."""
    coloured = set_peak(colour(waveform, rng), 10 ** (-rng.uniform(0, 30) / 20))
    return encode_and_decode(_distort(coloured, rng), rng)


def colour(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """Random room and microphone, applied in one product of spectra."""
    n_transform = scipy.fft.next_fast_len(len(waveform) + round(_MAX_ROOM_S * SAMPLE_RATE_HZ), real=True)
    spectrum = scipy.fft.rfft(waveform, n_transform) * _microphone(n_transform, rng)
    if rng.random() < 0.5:
        spectrum = spectrum * scipy.fft.rfft(_room(rng), n_transform)
    return np.asarray(scipy.fft.irfft(spectrum, n_transform)[: len(waveform)], np.float32)


def _microphone(n_transform: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Gains: a smooth curve of 4 dB deviation; three in ten also lose the low or the high end, as a telephone does."""
    gains_db = np.interp(np.log(_GRID_HZ), np.log(_ANCHORS_HZ), rng.normal(0, 4, len(_ANCHORS_HZ)))
    octaves_above = np.log2(_GRID_HZ / (rng.uniform(2500, 7000) if rng.random() < 0.3 else 8000))
    octaves_below = np.log2((rng.uniform(80, 400) if rng.random() < 0.3 else 20) / _GRID_HZ)
    gains_db = gains_db - 24 * np.maximum(octaves_above, 0) - 12 * np.maximum(octaves_below, 0)
    frequencies_hz = np.fft.rfftfreq(n_transform, 1 / SAMPLE_RATE_HZ)
    return np.asarray(np.interp(frequencies_hz, _GRID_HZ, 10 ** (gains_db / 20)), np.float32)


def _room(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """An impulse and noise that falls by 60 dB within 0.1 to 0.8 s (Moorer, 1979), 0 to 20 dB under it in energy."""
    decay_s = rng.uniform(0.1, _MAX_ROOM_S)
    time_s = np.arange(round(decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(len(time_s)) * 10 ** (-3 * time_s / decay_s)
    response = tail / np.linalg.norm(tail) * 10 ** (-rng.uniform(0, 20) / 20)
    response[0] += 1.0
    return np.asarray(response, np.float32)


def _distort(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """One in five is cut off at 0.25 to 0.8 of its peak."""
    if rng.random() >= 0.2:
        return waveform
    limit = float(np.abs(waveform).max()) * rng.uniform(0.25, 0.8)
    return np.clip(waveform, -limit, limit)


def encode_and_decode(waveform: Waveform, rng: np.random.Generator) -> Waveform:
    """None, mu-law, Ogg Vorbis or MP3 at a random quality."""
    kind = rng.random()
    if kind < 0.45:
        return waveform
    if kind < 0.6:
        return _through_mu_law(waveform)
    packed = io.BytesIO()
    container, codec = ("OGG", "VORBIS") if kind < 0.8 else ("MP3", "MPEG_LAYER_III")
    level = rng.uniform(0.3, 0.95)
    soundfile.write(packed, waveform, SAMPLE_RATE_HZ, format=container, subtype=codec, compression_level=level)
    packed.seek(0)
    decoded = np.zeros_like(waveform)
    samples = soundfile.read(packed, dtype="float32")[0][: len(decoded)]
    decoded[: len(samples)] = samples
    return np.clip(decoded, -1, 1)


def _through_mu_law(waveform: Waveform) -> Waveform:
    """Eight bits a sample."""
    bent = np.sign(waveform) * np.log1p(_MU * np.abs(waveform)) / np.log1p(_MU)
    rounded = np.round(bent * 127) / 127
    return np.asarray(np.sign(rounded) * np.expm1(np.abs(rounded) * np.log1p(_MU)) / _MU, np.float32)
