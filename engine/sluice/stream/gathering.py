"""Lets what is sent at about the same time leave together, while there is much of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

GATHER_S = 0.02
"""While there is much to send, it waits so long for company: a request for each verdict costs the worker, the broker
and whoever reads them more than the verdict does."""


class Gathering:
    """A door that opens for everybody who waits at once; nobody waits while there is little to send.

    Parameters
    ----------
    is_busy : callable
        Whether there is much.
    """

    def __init__(self, is_busy: Callable[[], bool]) -> None:
        self._is_busy = is_busy
        self._open: asyncio.Event | None = None

    async def join(self) -> None:
        """Return at once, or together with whoever comes until `GATHER_S` after the first of them."""
        if self._open is None:
            if not self._is_busy():
                return
            self._open = asyncio.Event()
            asyncio.get_running_loop().call_later(GATHER_S, self._let_go)
        await self._open.wait()

    def _let_go(self) -> None:
        if self._open is not None:
            self._open.set()
            self._open = None
