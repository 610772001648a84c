"""Thresholds that keep a promise about benign posts, by conformal risk control. Pure: arrays in, numbers out.

Angelopoulos, Bates, Fisch, Lei and Schuster: Conformal Risk Control (2022), theorem 1. Let every post have a loss
L(λ) between 0 and B that never grows with λ, and let R̂(λ) be its mean over n posts. Then

    λ̂ = inf { λ : (n R̂(λ) + B) / (n + 1) ≤ α }

keeps the expected loss of one more post, exchangeable with the n, at or below α. Here λ is how high the thresholds are,
the loss is 1 for a benign post that reaches one and else 0, and B = 1. With n < 1/α − 1 no λ can do that.

What is promised is a mean: over many draws of n posts, a share of at most α. One draw's share lies around it. Nothing
is promised of posts of another kind than those n.

Several labels share one promise, since a post is looked at as soon as any label asks for it. So the labels move
together, along a `ThresholdPath`: at level λ in [0, 1] the label l has as its threshold that quantile of its scores on
benign posts which a share w_l (1 − λ) of them lies above, where the weights w_l say how the labels divide the false
alarms. The loss of a post at λ is whether any label reaches its threshold, and λ is chosen by the rule above. The path
must not depend on the posts that choose λ, so a third of the benign posts shapes it, and the rest choose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.errors import CalibrationError

Array = npt.NDArray[np.floating[Any]]
Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

NEVER = math.inf
"""A threshold that no score reaches."""
SHAPING_SHARE = 1 / 3
"""Of the benign posts, those that shape the path. The promise holds with any share; more shape it better, and leave
fewer to choose the level with."""
STEP = 1e-6
"""Thresholds between scores are whole multiples, rounded up: short to write down, never below what was chosen."""
SLACK = 1e-9
"""Against rounding in products such as 0.29 * 100, which must count as 29."""
STEP_SLACK = 1e-3
"""Of a step: more than interpolation can lose to rounding, so a post just below a threshold stays below."""


def count_needed(alpha: float) -> int:
    """The least number of benign posts that can promise a risk of `alpha`: 1/alpha - 1, rounded up."""
    _check_alpha(alpha)
    return math.ceil(1 / alpha - 1 - SLACK)


def count_allowed(n_posts: int, alpha: float) -> int:
    """How many of `n_posts` may reach a threshold: the most k with (k + 1) / (n + 1) <= alpha; -1 for none at all."""
    _check_alpha(alpha)
    return math.floor(alpha * (n_posts + 1) + SLACK) - 1


def control_risk(scores: Array, alpha: float) -> float | None:
    """The lowest threshold that one more benign post reaches with a chance of at most `alpha`.

    Parameters
    ----------
    scores : ndarray, shape = (n,)
        Of benign posts; any scale, infinities included. Ties stay on one side of the threshold.
    alpha : float
        In (0, 1).

    Returns
    -------
    float or None
        A post fires if its score is at least this; `-inf` if all may fire. None if n < 1/alpha - 1: so few posts
        could all stay below a threshold by luck, so none can be promised.

    Raises
    ------
    CalibrationError
        If a score is not a number, or `alpha` is outside (0, 1).
    """
    _check_numbers(scores)
    n_allowed = count_allowed(len(scores), alpha)
    if n_allowed < 0:
        return None
    if n_allowed >= len(scores):
        return -math.inf
    first_below = np.sort(scores.astype(np.float64))[::-1][n_allowed]
    return float(np.nextafter(first_below, math.inf))


def find_threshold(scores: Array, truths: Array, alpha: float) -> float | None:
    """The lowest threshold of one label by itself with a false-positive share of at most `alpha`.

    Parameters
    ----------
    scores, truths : ndarray, shape = (n,)
        Truths are 1, 0, or NaN where the label was not annotated; only posts with 0 count.

    Returns
    -------
    float or None
        As of `control_risk`.

    Raises
    ------
    CalibrationError
        If there are no posts, the shapes differ, a score is not a number, or a truth is none of 1, 0 and NaN.
    """
    if scores.ndim != 1 or scores.shape != truths.shape:
        raise CalibrationError(f"scores and truths must have one shape (n,), not {scores.shape} and {truths.shape}")
    if not len(scores):
        raise CalibrationError("there are no posts to find a threshold on")
    if not (np.isnan(truths) | np.isin(truths, (0, 1))).all():
        raise CalibrationError("a truth is 1, 0 or NaN")
    _check_numbers(scores)
    return control_risk(scores[truths == 0], alpha)


@dataclass(frozen=True)
class ThresholdPath:
    """One threshold per label for every level from 0 to 1: continuous, and nowhere falling.

    Attributes
    ----------
    knots : ndarray, shape = (labels, k)
        Scores that the shares 1, ..., 1/(k-1), 0 of the benign posts lie above, linear between them; the last is 1.
    weights : ndarray, shape = (labels,)
        In (0, 1].
    """

    knots: Float
    weights: Float

    def find_levels(self, scores: Array) -> Float:
        """The highest level at which each score reaches its threshold; `-inf` if at none.

        Parameters
        ----------
        scores : ndarray, shape = (n, labels)
        """
        columns = [_share_above(knots, scores[:, label]) for label, knots in enumerate(self.knots)]
        shares = np.stack(columns, axis=1) if columns else np.empty((len(scores), 0))
        return np.asarray(1 - shares / self.weights)

    def thresholds(self, level: float) -> Float:
        """The labels' thresholds at a level, shape = (labels,); `NEVER` above level 1."""
        if level > 1:
            return np.full(len(self.knots), NEVER)
        level = max(level, 0.0)
        quantiles = 1 - self.weights * (1 - level)
        exact = np.array(
            [
                np.interp(at, np.linspace(0, 1, len(knots)), knots)
                for at, knots in zip(quantiles, self.knots, strict=True)
            ]
        )
        raised = (np.floor(exact / STEP + STEP_SLACK) + 1) * STEP
        raised = np.where(raised > 1 + STEP / 2, NEVER, np.round(raised, 6))
        on_plateau = (
            self.find_levels(exact[np.newaxis])[0] > level + SLACK
        )  # as on the floor: many levels, one threshold
        return np.where(on_plateau, exact, raised)


def build_threshold_path(scores: Array, weights: Float, floor: float | Float) -> ThresholdPath:
    """The path along the quantiles of scores, up to 1.

    Parameters
    ----------
    scores : ndarray, shape = (n, labels)
        In [0, 1].
    weights : ndarray, shape = (labels,)
        In (0, 1]: of the false alarms.
    floor : float or ndarray, shape = (labels,)
        In [0, 1]; no threshold lies below.
    """
    ends = np.zeros((1, scores.shape[1]))
    ordered = np.concatenate([ends, np.sort(scores.astype(np.float64), axis=0), ends + 1])
    return ThresholdPath(np.maximum(ordered, floor).T, weights)


def _share_above(knots: Float, scores: Array) -> Float:
    """The least share whose threshold each score reaches, shape = (n,); `inf` for scores below every threshold."""
    last_reached = np.searchsorted(knots, scores, side="right") - 1
    before = np.clip(last_reached, 0, len(knots) - 2)
    gaps = knots[before + 1] - knots[before]
    partly = np.divide(scores - knots[before], gaps, out=np.zeros(len(scores)), where=gaps > 0)
    shares = 1 - (before + partly) / (len(knots) - 1)
    shares = np.where(last_reached >= len(knots) - 1, 0.0, shares)
    return np.where(last_reached < 0, math.inf, shares)


def control_any(scores: Array, weights: Float, forced: Bool, alpha: float, floor: float | Float) -> Float | None:
    """Thresholds per label, any of which one more benign post reaches with a chance of at most `alpha`.

    Parameters
    ----------
    scores : ndarray, shape = (n, labels)
        Of benign posts, in [0, 1], for the labels whose thresholds are wanted.
    weights : ndarray, shape = (labels,)
        Positive: how the labels divide the false alarms. Must not come from these posts.
    forced : ndarray of bool, shape = (n,)
        Posts that fire whatever is chosen here, by labels whose thresholds are fixed.
    alpha : float
        In (0, 1).
    floor : float or ndarray, shape = (labels,)
        In [0, 1]; no threshold lies below.

    Returns
    -------
    ndarray, shape = (labels,), or None
        `NEVER` where no score may fire. None if there are too few posts: see `count_benign_needed`.

    Raises
    ------
    CalibrationError
        If the forced posts alone are more than the promise allows; if a score is outside [0, 1].
    """
    _check_numbers(scores)
    if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
        raise CalibrationError("scores lie in [0, 1]")
    if not (weights > 0).all():
        raise CalibrationError("weights are above 0")
    shaping, choosing = split_posts(len(scores))
    n_allowed = count_allowed(len(choosing), alpha)
    if n_allowed < 0:
        return None
    n_forced = int(forced[choosing].sum())
    if n_forced > n_allowed:
        raise CalibrationError(
            f"{n_forced} of {len(choosing)} benign posts reach a kept threshold, a risk of {alpha:g} allows {n_allowed}"
        )
    path = build_threshold_path(scores[shaping], weights / weights.max(initial=0), floor)
    levels = path.find_levels(scores[choosing]).max(axis=1, initial=-math.inf)
    level = control_risk(np.where(forced[choosing], math.inf, levels), alpha)
    return None if level is None else path.thresholds(level)


def keeps_promise(forced: Bool, alpha: float) -> bool:
    """Whether posts that fire whatever `control_any` chooses leave its promise possible; True with too few posts.

    Parameters
    ----------
    forced : ndarray of bool, shape = (n,)
        Of benign posts.
    """
    choosing = split_posts(len(forced))[1]
    n_allowed = count_allowed(len(choosing), alpha)
    return n_allowed < 0 or int(forced[choosing].sum()) <= n_allowed


def split_posts(n_posts: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Indices of the posts that shape a path, and of those that choose the level: always the same random ones."""
    order = np.random.default_rng(0).permutation(n_posts)
    n_shaping = int(n_posts * SHAPING_SHARE)
    return order[:n_shaping], order[n_shaping:]


def count_benign_needed(alpha: float) -> int:
    """The least number of benign posts with which `control_any` gives thresholds."""
    n_posts = count_needed(alpha)
    while len(split_posts(n_posts)[1]) < count_needed(alpha):
        n_posts += 1
    return n_posts


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise CalibrationError(f"a risk lies between 0 and 1, not at {alpha:g}")


def _check_numbers(scores: Array) -> None:
    if np.isnan(scores).any():
        raise CalibrationError("a score is not a number")
