"""Float samples on a scale of their own, brought to that of all others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

_LOUD = 8.0
"""Float samples belong in [-1, 1], and a mix may overshoot; beyond this they use a scale of their own."""
_PEAK_PERCENT, _TYPICAL_PERCENT = 99.9, 90.0
"""The first leaves out a millisecond of each second: single absurd samples set no scale."""
_AUDIBLE = 1e-3
FAR_QUIETER = "parts are too quiet to be heard next to its loudest"


@dataclass(frozen=True, slots=True)
class Scale:
    """How samples are brought into about [-1, 1].

    Attributes
    ----------
    offset : ndarray, shape = (channels,)
        Taken off first: a constant far from the range.
    note : str or None
        What cannot be heard on this scale.
    """

    offset: Float64
    gain: float
    note: str | None

    def apply(self, block: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """A block of samples on this scale, shape = (samples, channels); no further from 0 than a mix may be."""
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (block - self.offset) * self.gain if self.gain != 1.0 or self.offset.any() else block
            finite = np.where(np.isinf(scaled), np.nan, scaled)
            return np.clip(finite, -_LOUD, _LOUD).astype(np.float32, copy=False)


def find_scale(blocks: Iterable[Float64], n_channels: int) -> Scale:
    """The scale of a clip; gain 1 and no offset if its samples are in the usual range, or nearly all.

    Parameters
    ----------
    blocks : iterable of ndarray of float64, shape = (samples, channels)
        About a second each, also with infinities and NaN.
    """
    measured = [_measure(block) for block in blocks]
    if not measured:
        return Scale(np.zeros(n_channels), 1.0, None)
    middles, peaks, typical = (np.array(each) for each in zip(*measured, strict=True))
    middle = np.median(middles, axis=0)
    loudest = float(peaks.max())
    gain = 1.0 / loudest if loudest > _LOUD else 1.0
    is_lost = (typical > _AUDIBLE) & (typical < 1.0) & (typical * gain < _AUDIBLE)
    return Scale(np.where(np.abs(middle) > _LOUD, middle, 0.0), gain, FAR_QUIETER if is_lost.any() else None)


def _measure(block: Float64) -> tuple[Float64, Float64, Float64]:
    """Of each channel: the middle of its samples, and how far the loud and most of the others are from it."""
    columns = [_measure_channel(channel[np.isfinite(channel)]) for channel in block.T]
    middle, peak, typical = np.array(columns).T
    return middle, peak, typical


def _measure_channel(samples: Float64) -> tuple[float, float, float]:
    if not len(samples):
        return 0.0, 0.0, 0.0
    middle = float(np.percentile(samples, 50, method="lower"))
    with np.errstate(over="ignore"):
        distance = np.minimum(np.abs(samples - middle), np.finfo(np.float64).max)
    peak, typical = np.percentile(distance, [_PEAK_PERCENT, _TYPICAL_PERCENT], method="lower")
    return middle, float(peak), float(typical)
