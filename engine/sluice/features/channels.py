"""Channels to what a listener hears of them: their mean, and what cancels in the mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

_SILENT_SHARE = 1e-4
"""Of the loudest channel's power, -40 dB: one with less carries nothing, and the mean is not to be thinned by it."""
_LOST_RATIO = 9.0
"""A frequency whose residue has so many times the power of its mean cancels there; independent channels have 1."""
_AUDIBLE_SHARE = 1e-3
"""Of all power, -30 dB: what cancels is heard from here on."""
_N_SMOOTHED_FRAMES = 10
"""0.2 s: single frames of independent channels cancel by chance."""


def split_mean(block: Float32) -> Float32:
    """One or two channels to their mean and residue; more are left as they are.

    Parameters
    ----------
    block : ndarray of float32, shape = (samples, channels)

    Returns
    -------
    ndarray of float32, shape = (samples, channels)
        Of two channels their mean, and half of what the left has more than the right.
    """
    if block.shape[1] != 2:
        return block
    return np.stack([block.mean(axis=1), (block[:, 0] - block[:, 1]) * np.float32(0.5)], axis=1)


def mean_and_residue(channels: Float32) -> tuple[Float32, Float32 | None]:
    """What `split_mean` made of one or two channels, or the same of more.

    Parameters
    ----------
    channels : ndarray of float32, shape = (samples, channels)
        A whole clip's.

    Returns
    -------
    mean, residue : ndarray of float32, shape = (samples,)
        No residue of a single channel. Of many channels it is the one furthest from the mean, less the mean.
    """
    if channels.shape[1] <= 2:
        return channels[:, 0], channels[:, 1] if channels.shape[1] == 2 else None
    power = np.square(channels).mean(axis=0)
    carrying = channels[:, power > _SILENT_SHARE * power.max(initial=0.0)]
    if carrying.shape[1] < 2:
        return np.ascontiguousarray(carrying[:, 0] if carrying.size else channels[:, 0]), None
    mean = carrying.mean(axis=1)
    residues = carrying - mean[:, None]
    return mean, np.ascontiguousarray(residues[:, int(np.square(residues).mean(axis=0).argmax())])


def is_lost(mean_mel: Float32, residue_mel: Float32) -> bool:
    """Whether something that can be heard cancels in the mean.

    Parameters
    ----------
    mean_mel, residue_mel : ndarray of float32, shape = (bands, frames)
        Mel power of the same window.
    """
    total = float(mean_mel.sum() + residue_mel.sum())
    if not float(residue_mel.sum()) > _AUDIBLE_SHARE * total:
        return False
    mean, residue = _smooth(mean_mel), _smooth(residue_mel)
    lost = float(residue[residue > _LOST_RATIO * mean].sum()) * _N_SMOOTHED_FRAMES
    return lost > _AUDIBLE_SHARE * total


def _smooth(mel: Float32) -> Float32:
    n_frames = mel.shape[1] // _N_SMOOTHED_FRAMES * _N_SMOOTHED_FRAMES
    return np.asarray(mel[:, :n_frames].reshape(len(mel), -1, _N_SMOOTHED_FRAMES).mean(axis=2))
