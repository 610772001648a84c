"""What a change of policy must not do, and whether it does: for scripts that end where it would."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from sluice.backtest.changes import Changes
from sluice.schema import DECISIONS

CHANGED = "changed"
_FORM = re.compile(r"(?P<what>[a-z]+)=(?P<percent>[+-]?\d+(?:\.\d+)?)%")
_Z = 1.959964
"""Of a standard normal variable, 95 % lie within so much of 0."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A limit.

    Attributes
    ----------
    what : str
        A decision, of which there may be so many more than before; or ``changed``, the share of all posts that are
        decided otherwise.
    percent : float
        At most; below 0 there must be fewer than before.
    """

    what: str
    percent: float

    @property
    def spelling(self) -> str:
        """As it is written."""
        sign = "" if self.what == CHANGED else "+" if self.percent >= 0 else ""
        return f"{self.what}={sign}{self.percent:g}%"

    def measure(self, changes: Changes) -> float:
        """What the limit is held against, in percent; infinite where there was none before."""
        if self.what == CHANGED:
            return 100 * changes.n_changed / max(1, changes.n_posts)
        was, would_be = changes.count(self.what)
        return 100 * (would_be - was) / was if was else math.inf if would_be else 0.0

    def is_broken(self, changes: Changes) -> bool:
        """Whether the change goes beyond it."""
        return self.measure(changes) > self.percent


def parse_guard(text: str) -> Guard:
    """Read a limit such as ``review=+1%`` or ``changed=2%``; raises `ValueError`."""
    found = _FORM.fullmatch(text.replace(" ", ""))
    known = (*DECISIONS, CHANGED)
    if found is None or found["what"] not in known:
        raise ValueError(f"{text!r} is no guard: write one of {', '.join(known)}, and a limit, such as review=+1%")
    return Guard(found["what"], float(found["percent"]))


def wilson_interval(n_found: int, n_all: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927), in [0, 1]."""
    if not n_all:
        return 0.0, 1.0
    share, width = n_found / n_all, _Z**2 / n_all
    middle = share + width / 2
    reach = _Z * math.sqrt(share * (1 - share) / n_all + width / (4 * n_all))
    return max(0.0, (middle - reach) / (1 + width)), min(1.0, (middle + reach) / (1 + width))
