"""Whether today's posts are still like those of before: population stability of scores, decisions and languages."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
WEEK_S = 7 * 86_400
N_LANGUAGES, N_MOVED = 6, 3
"""Of a week, what is shown."""


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

    def merge(self, other: Window) -> None:
        """Count another window's posts too."""
        self.n_posts += other.n_posts
        self.decisions += other.decisions
        self.languages += other.languages
        for label, counts in self.scores.items():
            counts.update(other.scores[label])

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


class WeekFigure(msgspec.Struct, frozen=True):
    """A week, or what there is of it, held against all the time before.

    Attributes
    ----------
    begins : str
        RFC 3339, UTC.
    decisions, languages : dict of str to float
        Shares of its posts; of languages, the `N_LANGUAGES` that most are in.
    moved : tuple of DriftFigure
        What has moved most comes first.
    enough : bool
        Whether it, and all the time before, have as many posts as a conclusion needs.
    """

    begins: str
    posts: int
    decisions: dict[str, float]
    languages: dict[str, float]
    moved: tuple[DriftFigure, ...]
    enough: bool


class DriftFigures(msgspec.Struct, frozen=True):
    """Two windows held against each other, what moved most first; and what each week was like."""

    posts_before: int
    posts_now: int
    enough: bool
    figures: tuple[DriftFigure, ...]
    weeks: tuple[WeekFigure, ...] = ()

    @property
    def largest(self) -> float:
        """The index of what moved most."""
        return max((each.index for each in self.figures), default=0.0)


class Population:
    """Posts by week, counted from a time backwards; what is later is one window.

    Parameters
    ----------
    begins_s : float
        Where the later window begins, in seconds since 1970.
    """

    def __init__(self, begins_s: float) -> None:
        self._begins_s = begins_s
        self._weeks: dict[int, Window] = {}

    def add(self, verdict: Verdict, at_s: float | None) -> None:
        """Count a verdict of a time; one without is of the later window."""
        number = 0 if at_s is None else min(0, math.floor((at_s - self._begins_s) / WEEK_S))
        self._weeks.setdefault(number, Window()).add(verdict)

    @property
    def now(self) -> Window:
        """The later window."""
        return self._weeks.get(0, Window())

    @property
    def before(self) -> Window:
        """All weeks before it."""
        all_before = Window()
        for number, week in self._weeks.items():
            if number < 0:
                all_before.merge(week)
        return all_before

    def compare(self) -> DriftFigures:
        """The later window held against all before, and so is each week."""
        before = self.before
        figures = compare(before, self.now)
        weeks = (self._describe(number, before) for number in sorted(self._weeks))
        return msgspec.structs.replace(figures, weeks=tuple(weeks))

    def _describe(self, number: int, before: Window) -> WeekFigure:
        week, begins_s = self._weeks[number], self._begins_s + number * WEEK_S
        return WeekFigure(
            begins=datetime.fromtimestamp(begins_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            posts=week.n_posts,
            decisions=_shares(week.decisions, len(DECISIONS)),
            languages=_shares(week.languages, N_LANGUAGES),
            moved=compare(before, week).figures[:N_MOVED],
            enough=min(week.n_posts, before.n_posts) >= MIN_POSTS,
        )


def _shares(counts: Counter[str], n_most: int) -> dict[str, float]:
    return {name: round(n / counts.total(), 4) for name, n in counts.most_common(n_most)}


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
