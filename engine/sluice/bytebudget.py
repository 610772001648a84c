"""So many bytes and no more: whoever wants some waits until others have given theirs back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ByteBudget:
    """Counts bytes that are in use; first come, first served, so that a large request is not overtaken for ever.

    Parameters
    ----------
    total : int
        A request for more is served as one for all of them, once nobody else has any.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used(self) -> int:
        """Bytes that are in use."""
        return self.total - self._free

    async def take(self, n_bytes: int) -> int:
        """Wait for `n_bytes`; returns how many were taken, to be given back."""
        n_bytes = min(n_bytes, self.total)
        if not self._waiting and n_bytes <= self._free:
            self._free -= n_bytes
            return n_bytes
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((n_bytes, turn))
        try:
            await turn
        except asyncio.CancelledError:
            self._withdraw(n_bytes, turn)
            raise
        return n_bytes

    def give(self, n_bytes: int) -> None:
        """Give bytes back."""
        self._free += n_bytes
        self._serve()

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Lease]:
        """Bytes that are taken bit by bit, and given back together."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            lease.release()

    @asynccontextmanager
    async def hold(self, n_bytes: int) -> AsyncIterator[None]:
        """Have `n_bytes` for a while."""
        taken = await self.take(n_bytes)
        try:
            yield
        finally:
            self.give(taken)

    def _withdraw(self, n_bytes: int, turn: asyncio.Future[None]) -> None:
        if turn.done() and not turn.cancelled():
            self.give(n_bytes)
        else:
            self._waiting = deque(each for each in self._waiting if each[1] is not turn)
            self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            n_bytes, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._free -= n_bytes
                turn.set_result(None)


class Lease:
    """What one file has of a budget, while it grows.

    Parameters
    ----------
    budget : ByteBudget
    """

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self._taken = 0
        self._is_over = False

    async def grow(self, n_bytes: int) -> None:
        """Have at least `n_bytes` in all; waits until there is room."""
        if n_bytes > self._taken and not self._is_over:
            self._taken += await self._budget.take(n_bytes - self._taken)
        if self._is_over:  # released by another task meanwhile
            self.shrink(0)

    def shrink(self, n_bytes: int) -> None:
        """Have no more than `n_bytes`."""
        surplus = self._taken - n_bytes
        if surplus > 0:
            self._taken -= surplus
            self._budget.give(surplus)

    def release(self) -> None:
        """Give everything back, and take no more."""
        self._is_over = True
        self.shrink(0)
