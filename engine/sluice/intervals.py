"""Figures with 95 % percentile bootstrap intervals (Efron and Tibshirani, 1993), all resamples at once.

A resample is how often it drew each row. Every measure takes the counts of many resamples, shape = (B, n), and gives
one value for each; with all counts 1 it is the plain figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

N_RESAMPLES = 500
N_BINS = 15
"""Of equal mass, for the calibration error."""
LOW_FPR = 0.01
_STREAM = 500
"""Keeps resamples apart from whatever else is drawn from the same seed, such as the halves of the rows."""
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Measure = Callable[[Floats, Bools, Floats], Floats]
"""Scores and positives, shape = (n,), and counts, shape = (B, n), to values, shape = (B,)."""


@dataclass(frozen=True)
class Figure:
    """A value and the 2.5 and 97.5 % percentiles of its resamples; NaN where it is not defined."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Three digits and the interval, a dash where there is no value."""
        return "–" if math.isnan(self.value) else f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


NO_FIGURE = Figure(math.nan, math.nan, math.nan)


def draw_counts(n_rows: int, n_resamples: int = N_RESAMPLES, seed: int = 0) -> Floats:
    """The rows as they are, then `n_resamples` resamples, shape = (1 + n_resamples, n_rows)."""
    rng = np.random.default_rng([seed, _STREAM])
    resamples = rng.multinomial(n_rows, np.full(n_rows, 1 / n_rows), size=n_resamples)
    return np.concatenate([np.ones((1, n_rows), np.float32), resamples.astype(np.float32)])


def find_interval(values: Floats) -> Figure:
    """The first of the values, shape = (1 + B,), with percentiles of the others that are defined."""
    value, resampled = float(values[0]), values[1:][~np.isnan(values[1:])]
    if math.isnan(value) or not len(resampled):
        return NO_FIGURE
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Figure(value, float(low), float(high))


def measure_with_interval(measure: Measure, scores: Floats, positive: Bools, counts: Floats) -> Figure:
    """One measure of rows, shape = (n,), with its interval; `counts` as `draw_counts` gives them."""
    return find_interval(measure(scores, positive, counts))


def _trace_curve(scores: Floats, positive: Bools, counts: Floats) -> tuple[Floats, Floats]:
    """True and false positives from the highest score down, shape = (B, distinct scores)."""
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    sorted_counts, sorted_positive = counts[:, order], positive[order].astype(np.float32)
    hits = np.cumsum(sorted_counts * sorted_positive, axis=1)[:, last_of_tie]
    seen = np.cumsum(sorted_counts, axis=1)[:, last_of_tie]
    return hits, seen - hits


def resample_auprc(scores: Floats, positive: Bools, counts: Floats) -> Floats:
    """Average precision, ties as one threshold; shapes as of `Measure`."""
    hits, misses = _trace_curve(scores, positive, counts)
    gains = np.diff(hits, axis=1, prepend=np.float32(0))
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.nan_to_num(hits / (hits + misses))
        return np.asarray((gains * precision).sum(axis=1) / hits[:, -1], np.float32)


def resample_auroc(scores: Floats, positive: Bools, counts: Floats) -> Floats:
    """Chance that a positive row scores above a negative one, ties half; shapes as of `Measure`."""
    hits, misses = (curve.astype(np.float64) for curve in _trace_curve(scores, positive, counts))
    before = np.concatenate([np.zeros((len(hits), 1)), hits[:, :-1]], axis=1)
    area = (np.diff(misses, axis=1, prepend=0) * (hits + before) / 2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(area / (hits[:, -1] * misses[:, -1]), np.float32)


def resample_recall(scores: Floats, positive: Bools, counts: Floats) -> Floats:
    """Recall at the lowest threshold that at most 1 % of the negatives reach; shapes as of `Measure`."""
    hits, misses = _trace_curve(scores, positive, counts)
    n_passed = (misses <= LOW_FPR * misses[:, -1:]).sum(axis=1)
    reached = np.concatenate([np.zeros((len(hits), 1), np.float32), hits], axis=1)[np.arange(len(hits)), n_passed]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(reached / hits[:, -1], np.float32)


def resample_f1(threshold: float) -> Measure:
    """F1 of scores at or above `threshold`."""

    def measure(scores: Floats, positive: Bools, counts: Floats) -> Floats:
        flagged = scores >= threshold
        hits = counts[:, flagged & positive].sum(axis=1)
        total = counts[:, flagged].sum(axis=1) + counts[:, positive].sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(2 * hits / total, np.float32)

    return measure


def resample_ece(scores: Floats, positive: Bools, counts: Floats) -> Floats:
    """Expected calibration error over `N_BINS` bins of equal mass (Naeini et al. 2015; Nguyen and O'Connor 2015).

    Shapes are those of `Measure`. The bins are those of the rows as they are, in every resample. Resampling adds noise
    to each bin, so the interval lies rather above the value.
    """
    order = np.argsort(scores, kind="stable")
    starts = np.unique(np.arange(N_BINS) * len(scores) // N_BINS)
    expected = np.add.reduceat(counts[:, order] * scores[order], starts, axis=1)
    found = np.add.reduceat(counts[:, order] * positive[order], starts, axis=1)
    return np.asarray(np.abs(expected - found).sum(axis=1) / counts.sum(axis=1), np.float32)
