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
