"""The way out to Kafka over Faust's producer: a message is sent when the broker has acknowledged it."""

from __future__ import annotations

from typing import Any, cast

import faust
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from faust.exceptions import ProducerSendError

from sluice.config import Topics
from sluice.errors import MessageRefused
from sluice.sharedlock import SharedExclusiveLock
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


def raw_topic(app: faust.App, name: str) -> faust.TopicT:
    """Bytes in and out: what is a post is decided behind this, so that nothing is dropped before."""
    return app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
