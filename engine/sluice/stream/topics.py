"""Watches whether the posts topic is still the one that is being read: a topic made anew has the same name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sluice.errors import KafkaUnavailable

logger = logging.getLogger(__name__)

PERIOD_S = 5.0


class TopicWatch:
    """Notices a topic that was deleted and made anew between two looks.

    A reader alone would not: if the new topic has as many messages as were read of the old one, it goes on in the
    middle.

    Parameters
    ----------
    read_id : callable
        The topic's id on the brokers, None while there is no such topic; raises `KafkaUnavailable`. Runs in a thread.
    on_new : coroutine function
        Called when the topic is another one.
    on_same : callable
        Called when it is still the same.
    """

    def __init__(
        self, read_id: Callable[[], str | None], on_new: Callable[[], Awaitable[None]], on_same: Callable[[], None]
    ) -> None:
        self._read_id = read_id
        self._on_new = on_new
        self._on_same = on_same
        self._id: str | None = None

    async def run(self, period_s: float = PERIOD_S) -> None:
        """Look for ever."""
        while True:
            await self.look()
            await asyncio.sleep(period_s)

    async def look(self) -> None:
        """Compare the topic's id with the last one; brokers that are away tell nothing."""
        try:
            found = await asyncio.to_thread(self._read_id)
        except KafkaUnavailable:
            return
        if found is None:
            return
        if self._id in (None, found):
            self._on_same()
        else:
            logger.warning("the posts topic was deleted and made anew: reading it from the start")
            await self._on_new()
        self._id = found
