"""Thresholds of ours that flag the same share of a stream as another service's did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MIN_FLAGGED = 10
"""Posts: from fewer a threshold would be chance."""


@dataclass(frozen=True, slots=True)
class Match:
    """What one of their thresholds comes to in our scores, on the same posts.

    Attributes
    ----------
    their_share, our_share : float
        Share of posts at or above the threshold, in [0, 1]. They differ where many of our scores are equal.
    threshold : float or None
        Ours; None where theirs flags too few posts.
    agreement : float or None
        Of the posts that theirs flags, the share that ours flags too.
    """

    their_share: float
    threshold: float | None
    our_share: float | None
    agreement: float | None


def match_threshold(theirs: Sequence[float], ours: Sequence[float], their_threshold: float) -> Match:
    """Choose our threshold so that as many posts are at or above it as are at or above theirs.

    Parameters
    ----------
    theirs, ours : sequence of float
        Scores of the same posts, in the same order, shape = (n_posts,); at least one.
    their_threshold : float
        On their scale.

    Returns
    -------
    Match
        With the threshold in the middle between the last score that is flagged and the first that is not.
    """
    scores = np.asarray(ours, dtype=np.float64)
    flagged = np.asarray(theirs, dtype=np.float64) >= their_threshold
    n_flagged, n_posts = int(flagged.sum()), len(scores)
    if n_flagged < MIN_FLAGGED:
        return Match(n_flagged / n_posts, None, None, None)
    threshold = _cut(scores, n_flagged)
    also = scores >= threshold
    return Match(n_flagged / n_posts, threshold, float(also.mean()), float(also[flagged].mean()))


def _cut(scores: np.ndarray[tuple[int], np.dtype[np.float64]], n_flagged: int) -> float:
    """Between two different scores, where as near to `n_flagged` of them as can be are above."""
    values, counts = np.unique(scores, return_counts=True)
    n_above = np.cumsum(counts[::-1])[::-1]  # at or above each value
    nearest = int(np.abs(n_above - n_flagged).argmin())
    if nearest == 0:
        return float(values[0])
    return float((values[nearest - 1] + values[nearest]) / 2)
