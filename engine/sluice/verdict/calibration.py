"""A policy's thresholds, computed anew from labelled scores and stated risks. Pure: a policy in, a policy out."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from sluice.errors import CalibrationError
from sluice.schema import LABELS
from sluice.verdict.policy import Policy, Thresholds
from sluice.verdict.risk import NEVER, control_any, count_benign_needed

Array = npt.NDArray[np.floating[Any]]
Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

MIN_POSITIVES = 10
"""Posts annotated 1 that a label needs: with fewer, nobody can say what a threshold of it would find."""
REVIEW_FLOOR, BLOCK_FLOOR = 0.1, 0.5
"""No threshold lies below, however few benign posts reach it: scores are probabilities, and a person should not look at
ten posts for less than one find, nor a post be blocked that is more likely harmless."""


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
    kept : bool
        Whether the thresholds are the base policy's, for want of posts annotated 1.
    """

    label: str
    n_positives: int
    review: float | None
    block: float | None
    review_recall: float | None
    block_recall: float | None
    review_share: float
    block_share: float
    kept: bool


@dataclass(frozen=True)
class Calibrated:
    """A policy with new thresholds, and how it does on the posts it was made from.

    Attributes
    ----------
    n_posts, n_benign : int
        Posts annotated for any label, and the benign ones among them.
    review_share, block_share : float
        Of the benign posts, those that the thresholds ask to review or block, and to block.
    block_promised : bool
        False if there were too few benign posts to promise the block risk: the base policy's thresholds stand.
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
    block_promised: bool
    labels: list[LabelFigures]


def calibrate_policy(base: Policy, posts: Labelled, risks: Risks, name: str, version: int) -> Calibrated:
    """Give a policy thresholds that keep its promise, by conformal risk control over all labels at once.

    Labels divide the false alarms by the square root of how many posts have them: halfway between equal shares, which
    cost frequent labels most of their finds, and shares in proportion, which cost rare ones theirs.

    What a policy decides stays: a label without `block` gets none, a label that is missing stays missing. A label with
    fewer than `MIN_POSITIVES` posts keeps its thresholds, and what they let fire counts against the promise. A block
    threshold is never below the label's review threshold.

    Raises
    ------
    CalibrationError
        If a risk is outside (0, 1) or the block risk above the review risk; if no label has enough posts, or there are
        too few benign ones; if the labels that keep their thresholds alone break the promise.
    """
    if risks.block > risks.review:
        raise CalibrationError(f"the block risk ({risks.block:g}) is above the review risk ({risks.review:g})")
    benign = posts.scores[posts.benign]
    review, block = _base_thresholds(base)
    free = np.isfinite(review) & ((posts.truths == 1).sum(axis=0) >= MIN_POSITIVES)
    if not free.any():
        raise CalibrationError(f"no label of policy {base.name!r} has {MIN_POSITIVES} posts annotated 1")
    weights = np.sqrt((posts.truths == 1).sum(axis=0))
    control = functools.partial(_control, benign, weights)
    new_review = control("review", review, free, risks.review, REVIEW_FLOOR)
    if new_review is None:
        n_needed = count_benign_needed(risks.review)
        raise CalibrationError(f"a risk of {risks.review:g} needs {n_needed} benign posts, there are {len(benign)}")
    new_block = control("block", block, free & np.isfinite(block), risks.block, BLOCK_FLOOR)
    stricter = np.maximum(block if new_block is None else new_block, new_review)
    policy = _with_thresholds(base, new_review, stricter, name, version)
    return _measure(base, policy, posts, risks, free, new_block is not None)


def _base_thresholds(policy: Policy) -> tuple[Float, Float]:
    """From which score a label asks for a review or more, and from which for a block, shape = (labels,) each."""
    entries = [policy.labels.get(label, Thresholds()) for label in LABELS]
    block = np.array([NEVER if entry.block is None else entry.block for entry in entries])
    review = np.array([NEVER if entry.review is None else entry.review for entry in entries])
    return np.minimum(review, block), block


def _control(
    benign: Array, weights: Float, what: str, fixed: Float, free: Bool, alpha: float, floor: float
) -> Float | None:
    """Thresholds of all labels: those of the free ones chosen, the others as they are; None without enough posts."""
    kept = np.where(free, NEVER, fixed)
    reached = benign >= kept
    try:
        chosen = control_any(benign[:, free], weights[free], reached.any(axis=1), alpha, floor)
    except CalibrationError as error:
        if not reached.any():
            raise
        loudest = LABELS[int(reached.sum(axis=0).argmax())]
        raise CalibrationError(
            f"{what}: {error}; label more posts with {loudest}, or raise its threshold in the base policy"
        ) from error
    if chosen is None:
        return None
    thresholds = kept.copy()
    thresholds[free] = chosen
    return thresholds


def _with_thresholds(base: Policy, review: Float, block: Float, name: str, version: int) -> Policy:
    labels = {}
    for label, entry in base.labels.items():
        index = LABELS.index(label)
        labels[label] = Thresholds(
            review=None if entry.review is None else _finite(review[index]),
            block=None if entry.block is None else _finite(block[index]),
        )
    return Policy(
        name=name,
        version=version,
        unscored_part=base.unscored_part,
        unread_language=base.unread_language,
        labels=labels,
    )


def _finite(threshold: float) -> float | None:
    return float(threshold) if np.isfinite(threshold) else None


def _measure(
    base: Policy, policy: Policy, posts: Labelled, risks: Risks, free: Bool, block_promised: bool
) -> Calibrated:
    review, block = _base_thresholds(policy)
    benign = posts.scores[posts.benign]
    return Calibrated(
        base=base,
        policy=policy,
        risks=risks,
        n_posts=int((~np.isnan(posts.truths)).any(axis=1).sum()),
        n_benign=len(benign),
        review_share=float((benign >= review).any(axis=1).mean()),
        block_share=float((benign >= block).any(axis=1).mean()),
        block_promised=block_promised,
        labels=[_measure_label(policy, posts, label, bool(free[LABELS.index(label)])) for label in policy.labels],
    )


def _measure_label(policy: Policy, posts: Labelled, label: str, free: bool) -> LabelFigures:
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
        kept=not free,
    )


def _share(scores: Array, threshold: float | None) -> float | None:
    return float((scores >= threshold).mean()) if threshold is not None and len(scores) else None


def write_policy(calibrated: Calibrated, provenance: Sequence[str]) -> str:
    """A policy file in YAML: what it promises and what it was made from in comments, then the policy.

    Parameters
    ----------
    provenance : sequence of str
        What the posts were, one line each.
    """
    policy = calibrated.policy
    comments = [*_describe_promise(calibrated), *(_one_line(line) for line in provenance)]
    head = [
        *(f"# {comment}" for comment in comments),
        f"name: {json.dumps(policy.name)}",
        f"version: {policy.version}",
        "",
        "# The least decision for a post with a part that failed, came late or was read only partly.",
        f"unscored_part: {policy.unscored_part}",
        "# The least decision for a post with text in a language that the models were not measured on.",
        f"unread_language: {policy.unread_language}",
        "",
        "# A label without `block` never blocks by itself; one without thresholds, or that is missing, never decides.",
    ]
    entries = [_write_label(calibrated, figures) for figures in calibrated.labels]
    return "\n".join([*head, *(["labels:", *entries] if entries else ["labels: {}"]), ""])


def _describe_promise(calibrated: Calibrated) -> list[str]:
    risks = calibrated.risks
    block = f"blocked at most {risks.block:.3g}" if calibrated.block_promised else "no promise for blocking"
    lines = [
        "Thresholds by conformal risk control (Angelopoulos et al. 2022).",
        f"Expected share of benign posts: reviewed or blocked at most {risks.review:.3g}; {block}.",
        "Benign: annotated 0 for every label it is annotated for. Scores decide here; parts that fail come on top.",
        f"From {calibrated.n_posts} posts, {calibrated.n_benign} of them benign; on these: "
        f"{calibrated.review_share:.4f} and {calibrated.block_share:.4f}.",
    ]
    return lines if calibrated.block_promised else [*lines, explain_block(calibrated)]


def explain_block(calibrated: Calibrated) -> str:
    """Why there is no promise for blocking."""
    n_needed = count_benign_needed(calibrated.risks.block)
    return (
        f"A block risk of {calibrated.risks.block:.3g} needs {n_needed} benign posts, there are {calibrated.n_benign}: "
        f"block thresholds are those of the base policy, or the review threshold if that is higher."
    )


def _write_label(calibrated: Calibrated, figures: LabelFigures) -> str:
    named = (("review", figures.review), ("block", figures.block))
    fields = ", ".join(
        f"{name}: {np.format_float_positional(value, trim='0')}" for name, value in named if value is not None
    )
    note = f"  # {explain_kept(calibrated, figures)}" if figures.kept else ""
    return f"  {figures.label}: {{{fields}}}{note}"


def explain_kept(calibrated: Calibrated, figures: LabelFigures) -> str:
    """Why a label has the base policy's thresholds."""
    base = calibrated.base
    return (
        f"kept from {json.dumps(base.name)} {base.version}: {figures.n_positives} posts with it, {MIN_POSITIVES} needed"
    )


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


HEADINGS = ("label", "1", "review", "recall", "benign", "block", "recall", "benign", "")


def tabulate(calibrated: Calibrated) -> Iterable[tuple[str, ...]]:
    """The figures as cells under `HEADINGS`: a row per label, and one for any label."""
    for figures in calibrated.labels:
        review = (_cell(figures.review), _cell(figures.review_recall), f"{figures.review_share:.4f}")
        block = (_cell(figures.block), _cell(figures.block_recall), f"{figures.block_share:.4f}")
        yield (figures.label, str(figures.n_positives), *review, *block, "kept" if figures.kept else "")
    yield ("any", "", "", "", f"{calibrated.review_share:.4f}", "", "", f"{calibrated.block_share:.4f}", "")


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def figures_json(calibrated: Calibrated) -> dict[str, Any]:
    """Policy and figures for programs."""
    fields: dict[str, Any] = msgspec.to_builtins(calibrated)
    return fields
