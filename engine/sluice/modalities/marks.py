"""What stands out in an encoder's map of scores, whatever the map is of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Mark = Callable[[Floats], npt.NDArray[np.bool_]]
"""Says which scores of a map are worth pointing at."""

MARKED = 0.5
"""A token, cell or frame counts from this score on: the middle of the scale it was trained on."""
SHARE_OF_PEAK = 0.6
"""Where nothing reaches `MARKED`, what comes this near to the highest score is pointed at."""
FLOOR = 0.1
"""A map whose highest score stays below this points nowhere."""
MAX_SPANS = 8
"""Of one part in one reason, strongest first."""


def mark(scores: Floats) -> npt.NDArray[np.bool_]:
    """Which scores are worth pointing at: those over `MARKED`, else those near the highest; any shape."""
    peak = float(scores.max(initial=0.0))
    if peak < FLOOR:
        return np.zeros(scores.shape, np.bool_)
    return np.asarray(scores >= min(MARKED, SHARE_OF_PEAK * peak))


def mark_near_peak(scores: Floats, share: float) -> npt.NDArray[np.bool_]:
    """Which scores are at least that share of the highest one; none where that stays below `FLOOR`; any shape."""
    peak = float(scores.max(initial=0.0))
    return np.asarray(scores >= share * peak if peak >= FLOOR else np.zeros(scores.shape, np.bool_))


def find_runs(starts: Floats, ends: Floats, scores: Floats, gap: float, mark: Mark = mark) -> list[tuple[float, float]]:
    """Marked ranges, joined where they overlap or lie within `gap`; the strongest `MAX_SPANS`, in order.

    Parameters
    ----------
    starts, ends, scores : ndarray, shape = (n,)
        Empty ranges are special tokens and padding: they stand for nothing.
    mark : callable
        See `Mark`.
    """
    marked = mark(np.where(ends > starts, scores, 0.0))
    runs: list[tuple[float, float, float]] = []
    for start, end, score in sorted(zip(starts[marked], ends[marked], scores[marked], strict=True)):
        if runs and start <= runs[-1][1] + gap:
            runs[-1] = (runs[-1][0], max(runs[-1][1], end), max(runs[-1][2], score))
        else:
            runs.append((start, end, score))
    strongest = sorted(runs, key=lambda run: -run[2])[:MAX_SPANS]
    return sorted((float(start), float(end)) for start, end, _ in strongest)
