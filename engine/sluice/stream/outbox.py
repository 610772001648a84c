"""The way out to Kafka over Faust's producer: a message is sent when the broker has acknowledged it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import faust
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from faust.exceptions import ProducerSendError

from sluice.config import Topics
from sluice.errors import MessageRefused
from sluice.stream.dead_letters import Headers

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
"""By the broker's word as they are; by the producer's own limit inside Faust's error."""


class FaustOutbox:
    """The `Outbox` over Faust's producer."""

    def __init__(self, app: faust.App, topics: Topics) -> None:
        self._topics = {name: raw_topic(app, name) for name in topics.all()}
        self._lock = SharedExclusiveLock()

    async def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """See `Outbox.send`."""
        try:
            async with self._lock.shared():
                await self._deliver(topic, key, value, headers)
        except MessageRefused:
            # A broker refuses a batch as a whole: only one that came alone is known to be too large itself.
            async with self._lock.exclusive():
                await self._deliver(topic, key, value, headers)

    async def _deliver(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        try:
            delivery = await self._topics[topic].send(key=key, value=value, headers=cast(Any, list(headers)))
            await delivery
        except UnicodeError as error:
            raise MessageRefused(f"{topic}: a header's name cannot be written") from error
        except (KafkaError, ProducerSendError) as error:
            if isinstance(error, _TOO_LARGE) or isinstance(error.__cause__, _TOO_LARGE):
                raise MessageRefused(f"{topic} takes no message of this size") from error
            raise


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


def raw_topic(app: faust.App, name: str) -> faust.TopicT:
    """Bytes in and out: what is a post is decided behind this, so that nothing is dropped before."""
    return app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
