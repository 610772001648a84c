"""Follows a compacted topic on a thread of its own, so that what its records come to is made beside the loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from sluice.client.compacted import CompactedReader, StateT

logger = logging.getLogger(__name__)


@asynccontextmanager
async def following_on_thread(
    reader: CompactedReader[StateT], take: Callable[[], None], timeout_s: float
) -> AsyncIterator[None]:
    """While this lasts, call `take` on a thread whenever the reader's state has changed."""
    follower = _Follower(reader, take)
    follower.start()
    try:
        yield
    finally:
        follower.stop()
        await asyncio.to_thread(follower.join, timeout_s)


class _Follower(threading.Thread):
    def __init__(self, reader: CompactedReader[StateT], take: Callable[[], None]) -> None:
        super().__init__(name=f"following {reader.state.topic}", daemon=True)
        self._poll = reader.poll
        self._take = take
        self._stopped = threading.Event()

    def run(self) -> None:
        """Follow until stopped."""
        while not self._stopped.is_set():
            try:
                self._look()
            except Exception as error:  # whatever somebody wrote there: what comes after it is to be read
                logger.error("%s: what is new there is not in force: %s", self.name, type(error).__name__)

    def _look(self) -> None:
        has_changed, wrong = self._poll()
        tell_wrong(wrong)
        if has_changed and not self._stopped.is_set():
            self._take()

    def stop(self) -> None:
        """End after the next look."""
        self._stopped.set()


def tell_wrong(lines: Iterable[str]) -> None:
    """Say in the log which records were not taken, and why."""
    for line in lines:
        logger.warning("not taken: %s", line)
