"""A lock that many hold together, or one alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager


class SharedExclusiveLock:
    """Many hold it together, or one holds it alone."""

    def __init__(self) -> None:
        self._n_shared = 0
        self._none_shared = asyncio.Event()
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._one = asyncio.Lock()
        self._shared = _Shared(self)

    async def join(self) -> None:
        """Become one of those that hold it together."""
        while not self._is_open.is_set():
            await self._is_open.wait()
        self._n_shared += 1
        self._none_shared.clear()

    def leave(self) -> None:
        """Be none of them any more."""
        self._n_shared -= 1
        if not self._n_shared:
            self._none_shared.set()

    def shared(self) -> AbstractAsyncContextManager[None]:
        """Hold it together with others, while nobody holds it alone."""
        return self._shared

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


class _Shared(AbstractAsyncContextManager[None]):
    """The lock as one of those that hold it together; it remembers nothing, so all use the same one."""

    def __init__(self, lock: SharedExclusiveLock) -> None:
        self._lock = lock

    async def __aenter__(self) -> None:
        await self._lock.join()

    async def __aexit__(self, *_: object) -> None:
        self._lock.leave()
