"""Posts that are scored at once: those with media in a lane of their own, so that texts do not wait behind them."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from sluice.stream.pulse import Pulse


class Leaving(Exception):
    """The worker is stopping or losing its partitions: the post goes back unacknowledged."""


class _Lane:
    """Room for so many posts.

    Attributes
    ----------
    n_free : int
        Places; none while posts wait for one.
    waiting : list of (float, int, Future)
        What posts wait for, a heap by their rank and then by when they came; those that are done wait no more.
    """

    def __init__(self, n_posts: int) -> None:
        self.n_free = n_posts
        self.waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._n_come = 0

    def wait(self, rank: float) -> asyncio.Future[None]:
        """What is done once there is a place for a post."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._n_come += 1
        heapq.heappush(self.waiting, (rank, self._n_come, turn))
        return turn

    def leave(self) -> None:
        """Give a place to the post of the lowest rank, and of those to the one that has waited longest."""
        while self.waiting:
            *_, turn = heapq.heappop(self.waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self.n_free += 1


class Lanes:
    """Two lanes, each with room for so many posts, entered by their rank, and by who came first.

    Parameters
    ----------
    n_posts : int
        In each lane.
    leaving : callable
        True once this worker should let go of posts that only wait.
    pulse : Pulse
        Told while posts wait for those before them, which get done.
    pause_s : float
        How often `leaving` is asked, in seconds: once for all that wait, who may be thousands.
    """

    def __init__(self, n_posts: int, leaving: Callable[[], bool], pulse: Pulse, pause_s: float = 1.0) -> None:
        self._texts, self._media = _Lane(n_posts), _Lane(n_posts)
        self._leaving = leaving
        self._pulse = pulse
        self._pause_s = pause_s
        self._asking: asyncio.TimerHandle | None = None

    def enter(self, *, has_media: bool, rank: float = 0.0) -> AbstractAsyncContextManager[None]:
        """Be in a lane, once there is room; raises `Leaving` if this worker leaves before.

        Parameters
        ----------
        rank : float
            Of those that wait, the lowest one enters first.
        """
        return _Stay(self, self._media if has_media else self._texts, rank)

    def note_wait(self) -> None:
        """Note that posts may wait for one that leaves now."""
        self._pulse.wait()

    async def wait_for_place(self, lane: _Lane, rank: float) -> None:
        """Return once there is a place; raises `Leaving`."""
        turn = lane.wait(rank)
        self._ask_later()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:  # the place was given meanwhile
                lane.leave()
            raise

    def _ask_later(self) -> None:
        if self._asking is None:
            self._asking = asyncio.get_running_loop().call_later(self._pause_s, self._ask)

    def _ask(self) -> None:
        self._asking = None
        waiting = [turn for lane in (self._texts, self._media) for *_, turn in lane.waiting if not turn.done()]
        if self._leaving():
            for turn in waiting:
                turn.set_exception(Leaving())
        elif waiting:
            self._ask_later()


class _Stay(AbstractAsyncContextManager[None]):
    """One post's time in a lane."""

    def __init__(self, lanes: Lanes, lane: _Lane, rank: float) -> None:
        self._lanes = lanes
        self._lane = lane
        self._rank = rank

    async def __aenter__(self) -> None:
        if self._lane.n_free:
            self._lane.n_free -= 1
        else:
            await self._lanes.wait_for_place(self._lane, self._rank)

    async def __aexit__(self, *_: object) -> None:
        if not self._lane.n_free:
            self._lanes.note_wait()
        self._lane.leave()
