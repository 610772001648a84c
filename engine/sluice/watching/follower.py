"""Keeps what a process looks for that of the topics: read to the end before work starts, and followed from then on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from sluice.client.compacted import CompactedReader
from sluice.client.following import following_on_thread, tell_wrong
from sluice.config import KafkaConfig
from sluice.watching.in_force import Shelf, Watched
from sluice.watching.records import Content, WatchState


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
    loop = asyncio.get_running_loop()
    open_reader = partial(CompactedReader[WatchState], kafka, WatchState(topic), timeout_s, is_patient=True)
    with await asyncio.to_thread(open_reader) as reader:
        overlay = _Overlay(reader, shelf)

        def take() -> None:
            """Compile on the follower's thread, and put in force on the loop's."""
            if overlay.lay():
                loop.call_soon_threadsafe(watched.use)

        await asyncio.to_thread(overlay.read_to_end)
        watched.use()
        async with following_on_thread(reader, take, timeout_s):
            yield


class _Overlay:
    """Lays what a topic says over a shelf."""

    def __init__(self, reader: CompactedReader[WatchState], shelf: Shelf) -> None:
        self._reader = reader
        self._shelf = shelf
        self._taken: dict[str, Content] = {}

    def read_to_end(self) -> None:
        """Take what is there now; what is torn is said, and left out."""
        tell_wrong(self._reader.read_to_end())
        tell_wrong(self._reader.state.torn())
        self.lay()

    def lay(self) -> bool:
        """Compile what is whole; what is torn stays as it was while its chunks are on their way.

        Returns whether anything has changed.
        """
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
