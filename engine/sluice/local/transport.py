"""Faust's Kafka transport for the embedded broker.

librdkafka's mock cluster answers a fetch that finds nothing only after the whole wait that the client grants, also
when a message comes meanwhile (a real broker answers at once). Faust grants 1.5 s, fixed, which an idle stack would add
to every post.
"""

from __future__ import annotations

import asyncio
from typing import Any

import faust
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

FETCH_WAIT_MS = 5


class _Thread(AIOKafkaConsumerThread):
    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer: Any = super()._create_consumer(loop)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # Faust has no setting for it; read when the consumer starts
        return consumer


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class EmbeddedTransport(Transport):
    """Fetches that wait `FETCH_WAIT_MS` at most."""

    Consumer = _Consumer


def use_embedded_transport(app: faust.App) -> None:
    """Let `app` read from the embedded broker without waiting for nothing."""
    app.transport = EmbeddedTransport(app.conf.broker_consumer, app)
