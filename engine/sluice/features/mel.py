"""The mel scale and its triangular filters, as in Slaney's Auditory Toolbox (1998)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_LINEAR_HZ_PER_MEL = 200.0 / 3
_BREAK_HZ = 1_000.0
"""Below, mels are proportional to the frequency; above, to its logarithm."""
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


def mel_filters(rate_hz: int, n_fft: int, n_mels: int, f_min_hz: float, f_max_hz: float) -> Float32:
    """Triangular filters, evenly spaced on the mel scale, each with the same area.

    The numbers are those of `librosa.filters.mel` to the bit: the models were trained on them. Importing librosa
    for this one matrix costs a worker a second and 130 MB.

    Parameters
    ----------
    rate_hz : int
        Of the signal.
    n_fft : int
        Samples that the transform takes.
    n_mels : int
        Filters.
    f_min_hz, f_max_hz : float
        Where the first filter begins and the last one ends.

    Returns
    -------
    ndarray of float32, shape = (n_mels, 1 + n_fft // 2)
        Weights to multiply a power spectrum with, in 1/Hz.
    """
    bins_hz = np.fft.rfftfreq(n_fft, 1.0 / rate_hz)
    edges_hz = _to_hz(np.linspace(_to_mel(f_min_hz), _to_mel(f_max_hz), n_mels + 2))
    widths_hz = np.diff(edges_hz)[:, np.newaxis]
    distances_hz = np.subtract.outer(edges_hz, bins_hz)
    rising, falling = -distances_hz[:-2] / widths_hz[:-1], distances_hz[2:] / widths_hz[1:]
    filters: Float32 = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    filters *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, np.newaxis]
    return filters


def _to_mel(frequency_hz: float) -> float:
    if frequency_hz < _BREAK_HZ:
        return frequency_hz / _LINEAR_HZ_PER_MEL
    return float(_BREAK_MEL + np.log(frequency_hz / _BREAK_HZ) / _LOG_STEP)


def _to_hz(mels: Float64) -> Float64:
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (mels - _BREAK_MEL))
    return np.where(mels < _BREAK_MEL, _LINEAR_HZ_PER_MEL * mels, logarithmic)
