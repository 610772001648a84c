"""The way out to Kafka over Faust's producer: a message is sent when the broker has acknowledged it."""

from __future__ import annotations

import faust
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from faust.exceptions import ProducerSendError

from sluice.errors import MessageRefused
from sluice.sharedlock import SharedExclusiveLock
from sluice.stream.dead_letters import Headers
from sluice.stream.fast_path import send
from sluice.stream.gathering import Gathering

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
"""By the broker's word as they are; by the producer's own limit inside Faust's error."""


class FaustOutbox:
    """The `Outbox` over Faust's producer.

    Parameters
    ----------
    gathering : Gathering or None
        Where messages wait for one another; without it each leaves at once.
    """

    def __init__(self, app: faust.App, gathering: Gathering | None = None) -> None:
        self._app = app
        self._gathering = gathering
        self._lock = SharedExclusiveLock()

    async def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """See `Outbox.send`."""
        if self._gathering is not None:
            await self._gathering.join()
        try:
            async with self._lock.shared():
                await self._deliver(topic, key, value, headers)
        except MessageRefused:
            # A broker refuses a batch as a whole: only one that came alone is known to be too large itself.
            async with self._lock.exclusive():
                await self._deliver(topic, key, value, headers)

    async def _deliver(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        try:
            await send(self._app, topic, key, value, headers)
        except UnicodeError as error:
            raise MessageRefused(f"{topic}: a header's name cannot be written") from error
        except (KafkaError, ProducerSendError) as error:
            if isinstance(error, _TOO_LARGE) or isinstance(error.__cause__, _TOO_LARGE):
                raise MessageRefused(f"{topic} takes no message of this size") from error
            raise


def raw_topic(app: faust.App, name: str) -> faust.TopicT:
    """Bytes in and out: what is a post is decided behind this, so that nothing is dropped before."""
    return app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
