"""The few figures that say at a glance how good the models are, each with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.intervals import (
    Figure,
    Floats,
    draw_counts,
    find_interval,
    measure_with_interval,
    resample_auroc,
)
from sluice.schema import LABELS
from sluice_models.data.bundle import Example
from sluice_models.measure.rationales import find_mean
from sluice_models.measure.score_texts import TextScorer
from sluice_models.measure.scored_split import Scored, certain_rows

HATE_VOTE = 0
"""In HateXplain's three votes a post; 1 is normal, 2 offensive."""
EVEN = 0.5


@dataclass(frozen=True)
class Headline:
    """One figure; `rows` says of what, `n_rows` of how many."""

    what: str
    rows: str
    n_rows: int
    figure: Figure


def measure_headlines(
    scorer: TextScorer, examples: Sequence[Example], texts: Scored, thresholds: Mapping[str, float]
) -> Iterator[Headline]:
    """Two figures that other work reports: HateXplain's hate against the rest, and COLD's accuracy.

    `texts` holds the scores of the split that `examples` are of; posts with votes are scored again.
    """
    posts = [row for row in examples if row.meta.get("votes") and row.source == "hatexplain"]
    if posts:
        yield measure_votes(posts, scorer.score([row.text or "" for row in posts])[:, LABELS.index("hate")])
    toxicity = LABELS.index("toxicity")
    rows = certain_rows(texts.part, "toxicity") & (np.array(texts.part.sources) == "cold")
    if rows.any():
        scores, positive = texts.probabilities[rows, toxicity], texts.part.targets[rows, toxicity] == 1
        for name, limit in (("at even odds", EVEN), ("at review", thresholds.get("toxicity", np.inf))):
            right = np.asarray((scores >= limit) == positive, np.float32)
            yield Headline(
                f"Chinese toxicity, accuracy {name}", "COLD, own validation rows", len(right), find_mean(right)
            )


def measure_votes(posts: Sequence[Example], scores: Floats) -> Headline:
    """AUROC of the hate scores, shape = (n,): posts that most annotators call hate against all others."""
    majority = np.array([sum(vote == HATE_VOTE for vote in row.meta["votes"]) >= 2 for row in posts])
    figure = measure_with_interval(resample_auroc, scores, majority, draw_counts(len(posts)))
    return Headline("hate, AUROC by majority of three votes", "HateXplain, own validation rows", len(posts), figure)


def average_figures(what: str, rows: str, figures: Sequence[float]) -> Headline:
    """A mean over sources; its interval draws sources, so with few of them it is rough."""
    values, counts = np.array(figures, np.float32), draw_counts(len(figures))
    return Headline(
        what, rows, len(figures), find_interval(np.asarray(counts @ values / counts.sum(axis=1), np.float32))
    )
