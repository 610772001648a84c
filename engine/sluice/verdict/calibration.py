"""A policy's thresholds, computed anew from labelled scores and stated risks. Pure: a policy in, a policy out."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.errors import CalibrationError
from sluice.schema import LABELS
from sluice.verdict.policy import Limits, Policy, Thresholds
from sluice.verdict.risk import NEVER, control_any, keeps_promise

Array = npt.NDArray[np.floating[Any]]
Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.integer[Any]]

MIN_POSITIVES = 10
"""Posts annotated 1 that a label needs: with fewer, nobody can say what a threshold of it would find."""
REVIEW_FLOOR, BLOCK_FLOOR = 0.1, 0.5
"""No threshold lies below, however few benign posts reach it: scores are probabilities, and a person should not look at
ten posts for less than one find, nor a post be blocked that is more likely harmless."""


@dataclass(frozen=True)
class Floors:
    """The lowest thresholds that may be chosen, in [0, 1]: one for all labels, or shape = (labels,)."""

    review: float | Float = REVIEW_FLOOR
    block: float | Float = BLOCK_FLOOR


DEFAULT_FLOORS = Floors()


@dataclass(frozen=True)
class Labelled:
    """Scored posts and what people say about them; labels in the order of `LABELS`.

    Attributes
    ----------
    scores : ndarray, shape = (n, labels)
        In [0, 1].
    truths : ndarray, shape = (n, labels)
        1, 0, or NaN where not annotated.
    """

    scores: Array
    truths: Array

    @property
    def benign(self) -> Bool:
        """Which posts are benign, shape = (n,): annotated for some label, and 0 wherever they are annotated."""
        annotated = ~np.isnan(self.truths)
        return np.asarray(annotated.any(axis=1) & ~(self.truths == 1).any(axis=1))


@dataclass(frozen=True)
class Risks:
    """Shares of benign posts, in (0, 1).

    Attributes
    ----------
    review : float
        That may be reviewed or blocked.
    block : float
        That may be blocked.
    """

    review: float = 0.05
    block: float = 0.005


Origin = Literal["new", "kept", "raised"]
"""Of a label's thresholds: computed anew; the base policy's, for want of posts with it; those raised, since they alone
broke the promise, for which benign posts are enough."""
NEW, KEPT, RAISED = get_args(Origin)


@dataclass(frozen=True)
class LabelFigures:
    """One label on the posts that were used.

    Attributes
    ----------
    n_positives : int
        Posts annotated 1.
    review, block : float or None
        The thresholds.
    review_recall, block_recall : float or None
        Share of the posts annotated 1 that reach them; None without such posts or without a threshold.
    review_share, block_share : float
        Share of the benign posts that reach them.
    origin : str
        One of `Origin`.
    """

    label: str
    n_positives: int
    review: float | None
    block: float | None
    review_recall: float | None
    block_recall: float | None
    review_share: float
    block_share: float
    origin: Origin


@dataclass(frozen=True)
class Calibrated:
    """A policy with new thresholds, and how it does on the posts it was made from.

    Attributes
    ----------
    n_posts, n_benign : int
        Posts annotated for any label, and the benign ones among them.
    review_share, block_share : float
        Of the benign posts, those that the thresholds ask to review or block, and to block; 0 without any.
    review_promised, block_promised : bool
        False if there were too few benign posts to promise the risk: the base policy's thresholds stand.
    labels : list of LabelFigures
        Those that the policy has.
    """

    base: Policy
    policy: Policy
    risks: Risks
    n_posts: int
    n_benign: int
    review_share: float
    block_share: float
    review_promised: bool
    block_promised: bool
    labels: list[LabelFigures]


@dataclass(frozen=True)
class _Choice:
    """Thresholds of all labels, shape = (labels,) each; not promised: the base policy's."""

    thresholds: Float
    raised: Bool
    promised: bool


def calibrate_policy(
    base: Policy, posts: Labelled, risks: Risks, name: str, version: int, floors: Floors = DEFAULT_FLOORS
) -> Calibrated:
    """Give a policy thresholds that keep its promise, by conformal risk control over all labels at once.

    Labels divide the false alarms by the square root of how many posts have them: halfway between equal shares, which
    cost frequent labels most of their finds, and shares in proportion, which cost rare ones theirs.

    What a policy decides stays: a label without `block` gets none, a label that is missing stays missing. A label with
    fewer than `MIN_POSITIVES` posts keeps its thresholds, and what they let fire counts against the promise; where
    they alone would break it, they are raised. With too few benign posts for a risk the thresholds stay, and nothing
    is promised. A block threshold is never below the label's review threshold. What a policy asks of images stays, but
    for what is less than the label's new thresholds.

    Raises
    ------
    CalibrationError
        If a risk is outside (0, 1), the block risk above the review risk, or a score outside [0, 1].
    """
    if risks.block > risks.review:
        raise CalibrationError(f"the block risk ({risks.block:g}) is above the review risk ({risks.review:g})")
    n_positives = (posts.truths == 1).sum(axis=0)
    choose = functools.partial(_choose, posts.scores[posts.benign], n_positives)
    review_before, block_before = _base_thresholds(base)
    review = choose(review_before, risks.review, floors.review)
    block = choose(block_before, risks.block, floors.block)
    policy = _with_thresholds(base, review.thresholds, np.maximum(block.thresholds, review.thresholds), name, version)
    return _measure(base, policy, posts, risks, review, block)


def _choose(benign: Array, n_positives: Counts, before: Float, alpha: float, floor: float | Float) -> _Choice:
    """New thresholds for labels with enough posts; also for the others, if these alone would break the promise."""
    enough = n_positives >= MIN_POSITIVES
    decides = np.isfinite(before)
    kept = np.where(enough, NEVER, before)
    raise_others = not keeps_promise((benign >= kept).any(axis=1), alpha)
    free = decides & (enough | raise_others)
    floors = np.where(enough, floor, np.minimum(before, 1.0))
    fixed = np.where(free, NEVER, before)
    forced = (benign >= fixed).any(axis=1)
    weights = np.sqrt(np.maximum(n_positives, 1))
    chosen = control_any(benign[:, free], weights[free], forced, alpha, floors[free])
    if chosen is None:
        return _Choice(before, np.zeros_like(free), promised=False)
    thresholds = fixed.copy()
    thresholds[free] = chosen
    return _Choice(thresholds, free & ~enough & (thresholds > before), promised=True)


def _base_thresholds(policy: Policy) -> tuple[Float, Float]:
    """From which score a label asks for a review or more, and from which for a block, shape = (labels,) each."""
    entries = [policy.labels.get(label, Thresholds()) for label in LABELS]
    block = np.array([NEVER if entry.block is None else entry.block for entry in entries])
    review = np.array([NEVER if entry.review is None else entry.review for entry in entries])
    return np.minimum(review, block), block


def _with_thresholds(base: Policy, review: Float, block: Float, name: str, version: int) -> Policy:
    labels = {}
    for label, entry in base.labels.items():
        index = LABELS.index(label)
        own = Limits(
            review=None if entry.review is None else _finite(review[index]),
            block=None if entry.block is None else _finite(block[index]),
        )
        labels[label] = Thresholds(own.review, own.block, entry.image and _raise(entry.image, own))
    return msgspec.structs.replace(base, name=name, version=version, labels=labels)


def _raise(limits: Limits, least: Limits) -> Limits:
    """Limits of images that ask for no less than the label's own, for which the promise is made."""
    pairs = (limits.review, least.review), (limits.block, least.block)
    return Limits(*(None if own is None or other is None else max(own, other) for own, other in pairs))


def _finite(threshold: float) -> float | None:
    return float(threshold) if np.isfinite(threshold) else None


def _measure(
    base: Policy, policy: Policy, posts: Labelled, risks: Risks, review: _Choice, block: _Choice
) -> Calibrated:
    reviewed_from, blocked_from = _base_thresholds(policy)
    benign = posts.scores[posts.benign]
    origins = _tell_origins(posts, review, block)
    return Calibrated(
        base=base,
        policy=policy,
        risks=risks,
        n_posts=int((~np.isnan(posts.truths)).any(axis=1).sum()),
        n_benign=len(benign),
        review_share=_share_of_posts(benign >= reviewed_from),
        block_share=_share_of_posts(benign >= blocked_from),
        review_promised=review.promised,
        block_promised=block.promised,
        labels=[_measure_label(policy, posts, label, origins[LABELS.index(label)]) for label in policy.labels],
    )


def _tell_origins(posts: Labelled, review: _Choice, block: _Choice) -> list[Origin]:
    """Per label of `LABELS`."""
    new = ((posts.truths == 1).sum(axis=0) >= MIN_POSITIVES) & review.promised
    raised = review.raised | block.raised
    return [NEW if is_new else RAISED if is_raised else KEPT for is_new, is_raised in zip(new, raised, strict=True)]


def _share_of_posts(reached: Bool) -> float:
    return float(reached.any(axis=1).mean()) if len(reached) else 0.0


def _measure_label(policy: Policy, posts: Labelled, label: str, origin: Origin) -> LabelFigures:
    index, entry = LABELS.index(label), policy.labels[label]
    scores = posts.scores[:, index]
    positives, benign = scores[posts.truths[:, index] == 1], scores[posts.benign]
    return LabelFigures(
        label=label,
        n_positives=len(positives),
        review=entry.review,
        block=entry.block,
        review_recall=_share(positives, entry.review),
        block_recall=_share(positives, entry.block),
        review_share=_share(benign, entry.review) or 0.0,
        block_share=_share(benign, entry.block) or 0.0,
        origin=origin,
    )


def _share(scores: Array, threshold: float | None) -> float | None:
    return float((scores >= threshold).mean()) if threshold is not None and len(scores) else None
