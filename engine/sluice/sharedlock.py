"""A lock that many hold together, or one alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class SharedExclusiveLock:
    """Many hold it together, or one holds it alone."""

    def __init__(self) -> None:
        self._n_shared = 0
        self._none_shared = asyncio.Event()
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._one = asyncio.Lock()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[None]:
        """Hold it together with others, while nobody holds it alone."""
        while not self._is_open.is_set():
            await self._is_open.wait()
        self._n_shared += 1
        self._none_shared.clear()
        try:
            yield
        finally:
            self._n_shared -= 1
            if not self._n_shared:
                self._none_shared.set()

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Hold it alone, once all others have let go."""
        async with self._one:
            self._is_open.clear()
            try:
                if self._n_shared:
                    await self._none_shared.wait()
                yield
            finally:
                self._is_open.set()
