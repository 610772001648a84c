"""Whether memory stays flat at full load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SETTLING_SHARE = 1 / 3
"""Of the time, at the start, while caches and allocators fill."""


@dataclass(frozen=True)
class Slope:
    """How resident memory went.

    Attributes
    ----------
    mb_per_hour : float
        Of a straight line through the looks after settling.
    start_mb, end_mb : float
        That line at both ends.
    """

    mb_per_hour: float
    start_mb: float
    end_mb: float


def fit_slope(looks: Sequence[tuple[float, float]]) -> Slope:
    """Fit a line by least squares.

    Parameters
    ----------
    looks : sequence of (float, float)
        Seconds and MB, in order; at least three.
    """
    at, mb = np.array(looks, np.float64).T
    settled = at >= at[0] + SETTLING_SHARE * (at[-1] - at[0])
    per_s, offset = np.polyfit(at[settled] - at[0], mb[settled], 1)
    ends = at[settled][[0, -1]] - at[0]
    start_mb, end_mb = (float(per_s * each + offset) for each in ends)
    return Slope(float(per_s) * 3600, start_mb, end_mb)
