"""Whether today's posts are still like those of before: population stability of scores, decisions and languages."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from sluice.schema import DECISIONS, LABELS, Verdict

EDGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
"""Of the bins of a score. Most scores are near 0, so the bins are finer there."""
NONE = "none"
HALF = 0.5
"""Added to each count, so that an empty bin is rare and not impossible."""
SMALL, LARGE = 0.1, 0.25
"""Rules of thumb for the index: below 0.1 nothing has changed to speak of, from 0.25 on a lot has (Siddiqi, Credit Risk
Scorecards, 2006)."""
MIN_POSTS = 500
"""In each window; with fewer, chance alone moves the index."""


BinT = TypeVar("BinT")


@dataclass(slots=True)
class Window:
    """Counts of the posts of a time.

    Attributes
    ----------
    scores : dict of str to Counter of int
        By label: posts by the bin of their score.
    """

    n_posts: int = 0
    scores: dict[str, Counter[int]] = field(default_factory=lambda: {label: Counter() for label in LABELS})
    decisions: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)

    def add(self, verdict: Verdict) -> None:
        """Count a verdict."""
        self.n_posts += 1
        self.decisions[verdict.decision] += 1
        self.languages[verdict.language.code if verdict.language else NONE] += 1
        for label, counts in self.scores.items():
            counts[_bin(verdict.scores.get(label, 0.0))] += 1


def _bin(score: float) -> int:
    return sum(score >= edge for edge in EDGES)


class DriftFigure(msgspec.Struct, frozen=True):
    """How far one distribution has moved.

    Attributes
    ----------
    what : str
        ``language``, ``decision``, or a label, whose scores it is.
    index : float
        The population stability index, 0 for no change.
    size : {"none", "some", "large"}
    """

    what: str
    index: float
    size: str


class DriftFigures(msgspec.Struct, frozen=True):
    """Two windows held against each other, what moved most first."""

    posts_before: int
    posts_now: int
    enough: bool
    figures: tuple[DriftFigure, ...]

    @property
    def largest(self) -> float:
        """The index of what moved most."""
        return max((each.index for each in self.figures), default=0.0)


def compare(before: Window, now: Window) -> DriftFigures:
    """The index of every distribution."""
    figures = sorted(_figures(before, now), key=lambda each: -each.index)
    return DriftFigures(before.n_posts, now.n_posts, min(before.n_posts, now.n_posts) >= MIN_POSTS, tuple(figures))


def _figures(before: Window, now: Window) -> Iterator[DriftFigure]:
    yield _figure("language", before.languages, now.languages, sorted({*before.languages, *now.languages}))
    yield _figure("decision", before.decisions, now.decisions, list[str](DECISIONS))
    for label in LABELS:
        yield _figure(label, before.scores[label], now.scores[label], range(len(EDGES) + 1))


def _figure(what: str, before: Mapping[BinT, int], now: Mapping[BinT, int], bins: Iterable[BinT]) -> DriftFigure:
    index = stability_index(before, now, bins)
    return DriftFigure(what, round(index, 4), "none" if index < SMALL else "some" if index < LARGE else "large")


def stability_index(before: Mapping[BinT, int], now: Mapping[BinT, int], bins: Iterable[BinT]) -> float:
    """Sum over all bins of (now - before) * ln(now / before), both shares of counts to which `HALF` was added."""
    counted = [(before.get(each, 0) + HALF, now.get(each, 0) + HALF) for each in bins]
    n_before, n_now = sum(a for a, _ in counted), sum(b for _, b in counted)
    shares = [(a / n_before, b / n_now) for a, b in counted]
    return sum((b - a) * math.log(b / a) for a, b in shares)


def write_metrics(drift: DriftFigures) -> str:
    """For Prometheus' node exporter, which reads such files (its textfile collector)."""
    lines = [
        "# HELP sluice_drift_index Population stability index, by what has moved.",
        "# TYPE sluice_drift_index gauge",
    ]
    lines += [f'sluice_drift_index{{what="{each.what}"}} {each.index}' for each in drift.figures]
    lines += ["# HELP sluice_drift_posts Posts of the later window.", "# TYPE sluice_drift_posts gauge"]
    return "\n".join([*lines, f"sluice_drift_posts {drift.posts_now}", ""])
