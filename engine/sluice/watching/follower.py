"""Keeps what a process looks for that of the topics: read to the end before work starts, and followed from then on."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from sluice.client.compacted import CompactedReader
from sluice.config import KafkaConfig
from sluice.watching.in_force import Shelf, Watched
from sluice.watching.records import Content, WatchState

logger = logging.getLogger(__name__)


@asynccontextmanager
async def watching(kafka: KafkaConfig, watched: Watched, timeout_s: float) -> AsyncIterator[None]:
    """Look for what the topics say while this lasts; their state now is in force when it begins.

    Raises
    ------
    KafkaUnavailable
        A topic could not be read within `timeout_s`.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_following(kafka, kafka.topics.lists, watched, watched.lists, timeout_s))
        await stack.enter_async_context(_following(kafka, kafka.topics.hashes, watched, watched.banks, timeout_s))
        yield


@asynccontextmanager
async def _following(
    kafka: KafkaConfig, topic: str, watched: Watched, shelf: Shelf, timeout_s: float
) -> AsyncIterator[None]:
    open_reader = partial(CompactedReader[WatchState], kafka, WatchState(topic), timeout_s, is_patient=True)
    reader = await asyncio.to_thread(open_reader)
    try:
        follower = _Follower(reader, watched, shelf, asyncio.get_running_loop())
        watched.use(await asyncio.to_thread(follower.read_to_end))
        follower.start()
        try:
            yield
        finally:
            follower.stop()
            await asyncio.to_thread(follower.join, timeout_s)
    finally:
        reader.close()


class _Follower(threading.Thread):
    """Waits for records; what they come to is compiled on this thread, and put in force on the loop's."""

    def __init__(
        self, reader: CompactedReader[WatchState], watched: Watched, shelf: Shelf, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(name=f"watching {reader.state.topic}", daemon=True)
        self._reader = reader
        self._watched = watched
        self._shelf = shelf
        self._loop = loop
        self._stopped = threading.Event()
        self._taken: dict[str, Content] = {}

    def read_to_end(self) -> Shelf:
        """Take what is there now; what is torn is said, and left out."""
        _warn(self._reader.read_to_end())
        _warn(self._reader.state.torn())
        self._lay_over()
        return self._shelf

    def run(self) -> None:
        """Follow until stopped."""
        while not self._stopped.is_set():
            has_changed, wrong = self._reader.poll()
            _warn(wrong)
            if has_changed and not self._stopped.is_set() and self._lay_over():
                self._loop.call_soon_threadsafe(self._watched.use, self._shelf)

    def _lay_over(self) -> bool:
        """Compile what is whole; what is torn stays as it was while its chunks are on their way."""
        state = self._reader.state
        whole = state.contents()
        kept = {name: self._taken[name] for name, head in state.heads.items() if head.is_there and name in self._taken}
        contents = {**kept, **whole}
        heads = {name: content.head for name, content in contents.items()}
        if heads == {name: content.head for name, content in self._taken.items()}:
            return False
        self._taken = contents
        self._shelf.lay_over({name: content.chunks for name, content in contents.items()})
        return True

    def stop(self) -> None:
        """End after the next look."""
        self._stopped.set()


def _warn(wrong: list[str]) -> None:
    for line in wrong:
        logger.warning("not taken: %s", line)
