"""Whether the worker can score posts and say so: asked by whoever sends it traffic or starts its neighbours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection

from sluice.errors import InferenceUnavailable, KafkaUnavailable

MODEL_AGE_S = 1.0
"""A model that has answered within so long is not asked again."""

TOPICS_AGE_S = 5.0
"""Kafka is asked for its topics once in so long."""

Check = Callable[[], Awaitable[str | None]]
"""None if all is well, else what is lacking, in one line."""


def all_of(*checks: Check) -> Check:
    """What the first of them lacks that lacks something."""

    async def why_not_ready() -> str | None:
        for check in checks:
            if lacking := await check():
                return lacking
        return None

    return why_not_ready


def when(says: Callable[[], str | None]) -> Check:
    """What a function says that need not wait."""

    async def why_not_ready() -> str | None:
        return says()

    return why_not_ready


def models_answer(confirm: Callable[[float], Awaitable[None]]) -> Check:
    """Every model answers; see `Classifier.confirm`."""

    async def why_not_ready() -> str | None:
        try:
            await confirm(MODEL_AGE_S)
        except InferenceUnavailable as error:
            return str(error)
        return None

    return why_not_ready


class TopicsExist:
    """Every topic is there, by what Kafka said within `TOPICS_AGE_S`.

    Parameters
    ----------
    wanted : collection of str
    read : callable
        Names of the topics that Kafka has; may block, may raise `KafkaUnavailable`.
    clock : callable
        Monotonic, in seconds.
    """

    def __init__(
        self,
        wanted: Collection[str],
        read: Callable[[], Collection[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wanted = wanted
        self._read = read
        self._clock = clock
        self._lacking: str | None = None
        self._read_at = float("-inf")
        self._asking = asyncio.Lock()

    async def __call__(self) -> str | None:
        """See `Check`."""
        async with self._asking:
            if self._clock() - self._read_at > TOPICS_AGE_S:
                self._lacking = await asyncio.to_thread(self._ask)
                self._read_at = self._clock()
        return self._lacking

    def _ask(self) -> str | None:
        try:
            there = self._read()
        except KafkaUnavailable as error:
            return str(error)
        missing = [topic for topic in self._wanted if topic not in there]
        return f"outcomes cannot be published: Kafka has no topic {', '.join(missing)}" if missing else None
