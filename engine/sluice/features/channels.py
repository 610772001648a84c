"""Channels to what a listener hears of them: their mean, and what cancels in the mean."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

_SILENT_SHARE = 1e-4
"""Of the loudest channel's power, -40 dB: one with less carries nothing, and the mean is not to be thinned by it."""
_MOMENT_SAMPLES = 1_600  # 0.1 s
_LOST_RATIO = 9.0
"""A frequency whose residue has so many times the power of its mean cancels there; independent channels have 1."""
_AUDIBLE_SHARE = 1e-3
"""Of all power, -30 dB: what cancels is heard from here on."""
_MAX_RESIDUES = 3
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


def mean_and_sides(channels: Float32) -> tuple[Float32, Float32]:
    """What `split_mean` made of one or two channels, or the mean of more.

    Parameters
    ----------
    channels : ndarray of float32, shape = (samples, channels)
        A whole clip's.

    Returns
    -------
    mean : ndarray of float32, shape = (samples,)
    sides : ndarray of float32, shape = (samples, sides)
        In which something may cancel: none of a single channel, the residue of two, and all of more.
    """
    if channels.shape[1] <= 2:
        return channels[:, 0], channels[:, 1:]
    power = _loudest_moments(channels)
    carrying = channels[:, power > _SILENT_SHARE * power.max(initial=0.0)]
    mean = carrying.mean(axis=1) if carrying.shape[1] else channels[:, 0]
    return np.ascontiguousarray(mean), channels


def _loudest_moments(channels: Float32) -> Float32:
    """Power of each channel's loudest moment, shape = (channels,): a brief sound is one too."""
    starts = range(0, len(channels), _MOMENT_SAMPLES)
    moments = [np.square(channels[start : start + _MOMENT_SAMPLES]).mean(axis=0) for start in starts]
    return np.max(moments, axis=0) if moments else np.zeros(channels.shape[1], np.float32)


def find_residues(mean: Float32, sides: Float32) -> Iterator[Float32]:
    """What the mean may lack of a window: of many sides the loudest ones, without what is in those before.

    Parameters
    ----------
    mean : ndarray of float32, shape = (samples,)
    sides : ndarray of float32, shape = (samples, sides)

    Yields
    ------
    ndarray of float32, shape = (samples,)
        At most `_MAX_RESIDUES`.
    """
    if sides.shape[1] <= 1:
        yield from sides.T
        return
    heard, rest = mean, sides
    for _ in range(_MAX_RESIDUES):
        rest = _without(rest, heard)
        heard = np.ascontiguousarray(rest[:, int(np.square(rest).sum(axis=0).argmax())])
        yield heard


def _without(sides: Float32, heard: Float32) -> Float32:
    """Sides less what of each is a multiple of what was heard."""
    power = float(heard @ heard)
    return sides - np.outer(heard, (heard @ sides) / np.float32(power)) if power > 0.0 else sides


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
