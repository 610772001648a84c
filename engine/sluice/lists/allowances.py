"""What allowing entries take back of what blocking ones find."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from sluice.lists.entries import Match
from sluice.lists.links import narrowness


def without_allowed(found: Sequence[Match]) -> list[Match]:
    """All but the blocked matches that an allowed one covers, in the same order.

    A match of the text is covered by one around it. Of two that name the same link the longer value is right, which is
    the narrower site or path; of two of the same length, and of two that name the author, the one that allows.
    """
    allowed = [match for match in found if match.entry.action == "allow"]
    if not allowed:
        return list(found)
    covered = _Covered(allowed)
    return [match for match in found if match.entry.action == "allow" or not covered.has(match)]


def _narrowness(match: Match) -> int:
    return narrowness(match.entry.value, match.entry.kind == "url")


class _Covered:
    """What allowed matches cover."""

    def __init__(self, allowed: Sequence[Match]) -> None:
        self._has_author = any(match.start is None for match in allowed)
        self._all = _Spans([match for match in allowed if match.start is not None])
        self._texts = _Spans([match for match in allowed if match.start is not None and not match.is_link])
        self._links: dict[tuple[int | None, int | None], int] = {}
        for match in allowed:
            if match.is_link:
                place = match.start, match.end
                self._links[place] = max(self._links.get(place, 0), _narrowness(match))

    def has(self, match: Match) -> bool:
        """Whether it is covered."""
        if match.start is None or match.end is None:
            return self._has_author
        if not match.is_link:
            return self._all.have(match.start, match.end)
        narrow = self._links.get((match.start, match.end), 0) >= _narrowness(match)
        return narrow or self._texts.have(match.start, match.end)


class _Spans:
    """Stretches of a text."""

    def __init__(self, matches: Sequence[Match]) -> None:
        spans = sorted((match.start or 0, match.end or 0) for match in matches)
        self._starts = [start for start, _ in spans]
        self._furthest = list(accumulate((end for _, end in spans), max))

    def have(self, start: int, end: int) -> bool:
        """Whether one of them is around a stretch."""
        n_before = bisect_right(self._starts, start)
        return n_before > 0 and self._furthest[n_before - 1] >= end
