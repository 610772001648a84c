"""What a calibration came to: as a policy file, as a table, as JSON, and what is still missing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from sluice.verdict.calibration import KEPT, MIN_POSITIVES, NEW, Calibrated, LabelFigures
from sluice.verdict.policy import Limits
from sluice.verdict.risk import count_benign_needed


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
        "# From this score of self_harm on a verdict's urgency is `urgent`; from its review threshold on, `concern`.",
        f"urgent_self_harm: {policy.urgent_self_harm:g}",
        "",
        "# A label without `block` never blocks by itself; one without thresholds, or that is missing, never decides.",
        "# `image` stands in place of these where an image, or the words in it, say most of the label.",
    ]
    entries = [_write_label(calibrated, figures) for figures in calibrated.labels]
    return "\n".join([*head, *(["labels:", *entries] if entries else ["labels: {}"]), ""])


def _describe_promise(calibrated: Calibrated) -> Iterator[str]:
    risks = calibrated.risks
    review = (
        f"reviewed or blocked at most {risks.review:.3g}" if calibrated.review_promised else "no promise for review"
    )
    block = f"blocked at most {risks.block:.3g}" if calibrated.block_promised else "no promise for blocking"
    yield "Thresholds by conformal risk control (Angelopoulos et al. 2022)."
    yield f"Expected share of benign posts: {review}; {block}."
    yield "Benign: annotated 0 for every label it is annotated for. Scores decide here; parts that fail come on top."
    yield describe_reached(calibrated)
    yield from describe_missing_benign(calibrated)


def describe_reached(calibrated: Calibrated) -> str:
    """What the thresholds come to on the posts they were made from."""
    return (
        f"From {calibrated.n_posts} posts, {calibrated.n_benign} of them benign; of these "
        f"{calibrated.review_share:.4f} reviewed or blocked, {calibrated.block_share:.4f} blocked."
    )


def describe_missing_benign(calibrated: Calibrated) -> Iterator[str]:
    """A line for each risk that cannot be promised: how many benign posts it needs, and what stands instead."""
    for name, risk, promised in (
        ("review", calibrated.risks.review, calibrated.review_promised),
        ("block", calibrated.risks.block, calibrated.block_promised),
    ):
        if not promised:
            n_needed = count_benign_needed(risk)
            yield (
                f"A {name} risk of {risk:.3g} needs {n_needed} benign posts, there are {calibrated.n_benign} "
                f"({n_needed - calibrated.n_benign} more): {name} thresholds are those of the base policy."
            )


def describe_missing_positives(calibrated: Calibrated) -> Iterator[str]:
    """A line for each label whose thresholds are not new."""
    for figures in calibrated.labels:
        if figures.origin != NEW:
            yield f"{figures.label}: {explain_origin(calibrated, figures)}"


def _write_label(calibrated: Calibrated, figures: LabelFigures) -> str:
    thresholds = calibrated.policy.labels[figures.label]
    fields = [*_write_limits(thresholds)]
    if thresholds.image is not None:
        fields.append(f"image: {{{', '.join(_write_limits(thresholds.image))}}}")
    note = "" if figures.origin == NEW else f"  # {explain_origin(calibrated, figures)}"
    return f"  {figures.label}: {{{', '.join(fields)}}}{note}"


def _write_limits(limits: Limits) -> Iterator[str]:
    for name, value in (("review", limits.review), ("block", limits.block)):
        if value is not None:
            yield f"{name}: {np.format_float_positional(value, trim='0')}"


def explain_origin(calibrated: Calibrated, figures: LabelFigures) -> str:
    """Why a label's thresholds are not new."""
    base = f"{json.dumps(calibrated.base.name)} {calibrated.base.version}"
    what = f"kept from {base}" if figures.origin == KEPT else f"raised from those of {base}, which broke the promise"
    n_missing = MIN_POSITIVES - figures.n_positives
    missing = f" ({n_missing} more)" if n_missing > 0 else ""
    return f"{what}: {figures.n_positives} posts with it, {MIN_POSITIVES} needed{missing}"


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


HEADINGS = ("label", "1", "review", "recall", "benign", "block", "recall", "benign", "")


def tabulate(calibrated: Calibrated) -> Iterable[tuple[str, ...]]:
    """The figures as cells under `HEADINGS`: a row per label, and one for any label."""
    for figures in calibrated.labels:
        review = (_cell(figures.review), _cell(figures.review_recall), f"{figures.review_share:.4f}")
        block = (_cell(figures.block), _cell(figures.block_recall), f"{figures.block_share:.4f}")
        yield (
            figures.label,
            str(figures.n_positives),
            *review,
            *block,
            "" if figures.origin == NEW else figures.origin,
        )
    yield ("any", "", "", "", f"{calibrated.review_share:.4f}", "", "", f"{calibrated.block_share:.4f}", "")


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def figures_json(calibrated: Calibrated) -> dict[str, Any]:
    """Policy and figures for programs."""
    fields: dict[str, Any] = msgspec.to_builtins(calibrated)
    return fields
