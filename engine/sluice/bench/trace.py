"""What a load is, and what was seen of it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

RAMP_SHARE = 0.15
"""Of the seconds of a load, at its start, that no figure counts."""

Arrivals = Literal["poisson", "steady"]


@dataclass(frozen=True)
class Closed:
    """So many posts under way at once, each finished one followed by the next: shows the capacity.

    Attributes
    ----------
    window : int
        Posts under way.
    seconds : float
        After which no more are sent.
    """

    window: int
    seconds: float


@dataclass(frozen=True)
class Open:
    """Posts that come when they come, however long the ones before take: shows the latency.

    Attributes
    ----------
    rate_per_s : float
    arrivals : {"poisson", "steady"}
        Independent of one another, as people's posts are, or evenly spaced.
    """

    rate_per_s: float
    seconds: float
    seed: int = 0
    arrivals: Arrivals = "poisson"

    def due_s(self) -> Iterator[float]:
        """When each post is to be sent, in seconds from the start; the schedule never looks at what came back."""
        rng = random.Random(self.seed)  # noqa: S311  (reproducible, not secret)
        now = 0.0
        while True:
            now += rng.expovariate(self.rate_per_s) if self.arrivals == "poisson" else 1 / self.rate_per_s
            if now >= self.seconds:
                return
            yield now


@dataclass
class Trace:
    """What the generator saw of one load, in seconds since the epoch.

    Attributes
    ----------
    due, done : dict of str to float
        By the post's id: when it was to be sent, and when its outcome was read. Without one it is in `due` alone.
    answers : dict of str to bytes
        The outcomes of the first posts, as they came.
    n_dead : int
        Outcomes that are dead letters, or HTTP errors.
    n_late : int
        Verdicts of which a part was given up at the post's deadline.
    begin, end : float
        Between which the load was as asked: after the ramp, until the last post was sent.
    cpu_s : float
        Of the generator between them.
    """

    due: dict[str, float] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    answers: dict[str, bytes] = field(default_factory=dict)
    n_dead: int = 0
    n_late: int = 0
    begin: float = 0.0
    end: float = 0.0
    cpu_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Between begin and end."""
        return max(self.end - self.begin, 1e-9)

    @property
    def n_done(self) -> int:
        """Outcomes between begin and end."""
        return sum(self.begin <= at <= self.end for at in self.done.values())

    @property
    def posts_per_s(self) -> float:
        """Outcomes per second between begin and end."""
        return self.n_done / self.seconds

    @property
    def n_lost(self) -> int:
        """Posts that were sent and have no outcome."""
        return len(self.due) - len(self.done)

    def latencies_s(self) -> list[float]:
        """From when each post that was due between begin and end was to be sent, sorted; infinite without outcome."""
        counted = ((post, due) for post, due in self.due.items() if self.begin <= due <= self.end)
        return sorted(self.done[post] - due if post in self.done else math.inf for post, due in counted)


N_ANSWERS = 400
"""Outcomes that are kept to be compared."""


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed (the nearest rank); NaN of nothing."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
