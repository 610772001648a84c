"""What is not begun while there is too much to do: the dearest first, so that texts are still scored in time."""

from __future__ import annotations

import time
from collections.abc import Callable

from sluice.metrics import Metrics

ORDER = ("speech", "audio", "picture_text", "image", "text")
"""Kinds of parts in the order in which they are given up: all of one before any of the next."""
WINDOW_S = 1.0
"""How long late parts are counted before anything is decided."""
LEAST_LATE, LATE_SHARE = 4, 0.05
"""So many parts, and this share of all that were finished, have to be late in a window for it to be an overload."""
RISE, FALL = 0.5, 0.05
"""Of the level per window with an overload, and per window without a late part: what was begun too early is late in
numbers, what is begun again too late only waits."""
LEAST_S = 0.5
"""A part with less time than this is no witness: it would be late on an idle worker too."""
FETCH_SHARE = 0.5
"""Of a part's time: where more than this goes by until it is fetched, a slow server is to blame, and not the load."""


class Shedding:
    """Decides which parts are begun, by how many were late.

    Its level says how much is given up: at 1.5 all of the first kind in `ORDER` and every second part of the next.

    Parameters
    ----------
    metrics : Metrics
    clock : callable
        Monotonic, in seconds.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._level = 0.0
        self._window_start = clock()
        self._n_late = self._n_done = 0
        self._owed = dict.fromkeys(ORDER, 0.0)
        for kind in ORDER:
            metrics.shed_parts.labels(kind)  # a panel shows nought, and not that it knows nothing

    @property
    def level(self) -> float:
        """From 0, nothing is given up, to ``len(ORDER)``, nothing is begun."""
        self._close_window()
        return self._level

    def admits(self, kind: str) -> bool:
        """Whether a part may begin; evenly spread where only some may."""
        if self.level == 0.0 or kind not in ORDER:
            return True
        self._owed[kind] += min(1.0, max(0.0, self._level - ORDER.index(kind)))
        if self._owed[kind] < 1.0:
            return True
        self._owed[kind] -= 1.0
        self._metrics.shed_parts.labels(kind).inc()
        return False

    def note(self, time_s: float, fetch_s: float | None, *, is_late: bool) -> None:
        """Learn of a part that was begun and is done.

        Parameters
        ----------
        time_s : float
            That it had until its deadline.
        fetch_s : float or None
            Until it was there to be decoded; None if it never was.
        """
        self._close_window()
        if time_s < LEAST_S or fetch_s is None or fetch_s > FETCH_SHARE * time_s:
            return
        self._n_done += 1
        self._n_late += is_late

    def _close_window(self) -> None:
        n_windows = int((self._clock() - self._window_start) / WINDOW_S)
        if not n_windows:
            return
        if self._n_late >= max(LEAST_LATE, LATE_SHARE * self._n_done):
            self._level += RISE
        calm = n_windows - (self._n_late > 0)  # what came after the last part that was noted was calm, too
        self._level -= FALL * calm
        self._level = min(max(self._level, 0.0), float(len(ORDER)))
        self._metrics.shedding_level.set(self._level)
        self._window_start = self._clock()
        self._n_late = self._n_done = 0
