"""Posts that are scored at once: those with media in a lane of their own, so that texts do not wait behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sluice.bytebudget import ByteBudget
from sluice.stream.pulse import Pulse


class Leaving(Exception):
    """The worker is stopping or losing its partitions: the post goes back unacknowledged."""


class Lanes:
    """Two lanes, each with room for so many posts, first come, first served.

    Parameters
    ----------
    n_posts : int
        In each lane.
    leaving : callable
        True once this worker should let go of posts that only wait.
    pulse : Pulse
        Told while posts wait for those before them, which get done.
    pause_s : float
        How often `leaving` is asked, in seconds.
    """

    def __init__(self, n_posts: int, leaving: Callable[[], bool], pulse: Pulse, pause_s: float = 1.0) -> None:
        self._texts, self._media = ByteBudget(n_posts), ByteBudget(n_posts)
        self._leaving = leaving
        self._pulse = pulse
        self._pause_s = pause_s

    @asynccontextmanager
    async def enter(self, *, has_media: bool) -> AsyncIterator[None]:
        """Be in a lane, once there is room; raises `Leaving` if this worker leaves before."""
        lane = self._media if has_media else self._texts
        if lane.used < lane.total:
            await lane.take(1)
        else:
            await self._wait_for_place(lane)
        try:
            yield
        finally:
            if lane.used == lane.total:
                self._pulse.wait()
            lane.give(1)

    async def _wait_for_place(self, lane: ByteBudget) -> None:
        taking = asyncio.ensure_future(lane.take(1))
        try:
            while not taking.done():
                await asyncio.wait({taking}, timeout=self._pause_s)
                if not taking.done() and self._leaving():
                    raise Leaving
        except BaseException:
            if not taking.cancel():
                lane.give(1)
            raise
