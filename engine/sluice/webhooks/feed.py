"""Verdicts out of Kafka for webhooks: in flight within bounds, committed in order behind their delivery."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Self

from confluent_kafka import Consumer, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as Partition

from sluice.config import KafkaConfig
from sluice.kafka import DETAIL_HEADER, REASON_HEADER, SOURCE_HEADER
from sluice.stream.delivery import Ledger, Ticket
from sluice.webhooks.config import WebhookConfig

logger = logging.getLogger(__name__)

POLL_S = 0.2
ANSWER_S = 10.0
ROOM_S = 1.0
"""So long a delivery is waited for before the feed pauses: a pause drops what was read ahead, to be fetched again."""

Handle = Callable[[Message], Awaitable[None]]
"""Returns once the message needs no more attention."""


class VerdictFeed:
    """Reads the verdict topic as a member of a group, and hands each message on.

    Parameters
    ----------
    handle : coroutine function
        Called for several messages at once, up to the configured number.
    """

    def __init__(self, kafka: KafkaConfig, config: WebhookConfig, handle: Handle) -> None:
        self._config = config
        self._handle = handle
        self._topic = kafka.topics.verdicts
        self._ledger: Ledger[Message] = Ledger()
        self._tasks: set[asyncio.Task[None]] = set()
        self._generation = 0
        self._is_paused = False
        self._freed = asyncio.Event()
        self._consumer = Consumer(
            {
                **kafka.librdkafka(),
                "group.id": config.group,
                "enable.auto.commit": True,  # of what is stored, which is what was delivered
                "enable.auto.offset.store": False,
                "auto.commit.interval.ms": 1000,
                "auto.offset.reset": "earliest",
                "queued.max.messages.kbytes": 16 * 1024,
                "log_level": 0,
            }
        )

    async def run(self, until: asyncio.Event) -> None:
        """Hand messages on until `until` is set; those in flight then are delivered again by the next."""
        self._consumer.subscribe([self._topic], on_assign=self._assign, on_revoke=self._revoke)
        try:
            while not until.is_set():
                await self._make_room()
                message = await asyncio.to_thread(self._consumer.poll, POLL_S)
                if message is not None and message.error() is None:
                    self._start(message)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.to_thread(self._consumer.close)

    def _start(self, message: Message) -> None:
        ticket = self._ledger.open((message.partition(), self._generation), message)
        task = asyncio.create_task(self._run(ticket))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, ticket: Ticket[Message]) -> None:
        await self._handle(ticket.event)
        for message in self._ledger.finish(ticket):
            with suppress(KafkaException):  # the partition is somebody else's by now, and will be delivered again
                self._consumer.store_offsets(message)
        self._freed.set()

    async def _make_room(self) -> None:
        """Polled on even while it is full: a member that does not poll is thrown out of its group."""
        if self._is_full() and not self._is_paused:
            await self._wait_for_room()
        is_full = self._is_full()
        if is_full == self._is_paused:
            return
        change = self._consumer.pause if is_full else self._consumer.resume
        with suppress(KafkaException):
            change(self._consumer.assignment())
            self._is_paused = is_full

    def _is_full(self) -> bool:
        return len(self._ledger) >= self._config.n_in_flight

    async def _wait_for_room(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(ROOM_S):
                while self._is_full():
                    self._freed.clear()
                    await self._freed.wait()

    def _assign(self, consumer: Any, partitions: list[Partition]) -> None:
        """A group without offsets begins where it is told, and notes that at once: verdicts come while it is away."""
        self._generation += 1
        self._is_paused = False
        known = consumer.committed(partitions, timeout=ANSWER_S)
        new = [Partition(one.topic, one.partition, self._begin(consumer, one)) for one in known if one.offset < 0]
        if new:
            consumer.commit(offsets=new, asynchronous=False)
        consumer.assign([one for one in known if one.offset >= 0] + new)
        logger.info("partitions assigned: %s", ", ".join(str(one.partition) for one in partitions) or "none")

    def _begin(self, consumer: Any, place: Partition) -> int:
        low, high = consumer.get_watermark_offsets(place, timeout=ANSWER_S)
        return int(low if self._config.from_beginning else high)

    def _revoke(self, _consumer: Any, partitions: list[Partition]) -> None:
        logger.info("partitions revoked: %s", ", ".join(str(one.partition) for one in partitions) or "none")


class DeadLetters:
    """Where verdicts go that a receiver refuses."""

    def __init__(self, kafka: KafkaConfig, topic: str) -> None:
        self._topic = topic
        self._producer = Producer({**kafka.librdkafka(), "enable.idempotence": True, "linger.ms": 0, "log_level": 0})

    async def put(self, message: Message, reason: str, detail: str) -> None:
        """Return once Kafka has it, however long that takes."""
        source = f"{message.topic()}/{message.partition()}/{message.offset()}"
        added = {REASON_HEADER: reason, DETAIL_HEADER: detail, SOURCE_HEADER: source}
        headers = [*(message.headers() or []), *((name, text.encode()) for name, text in added.items())]
        while not await asyncio.to_thread(self._send, message, headers):
            logger.warning("%s: not delivered, trying again", self._topic)

    def _send(self, message: Message, headers: list[tuple[str, Any]]) -> bool:
        errors: list[object] = []
        self._producer.produce(
            self._topic,
            message.value(),
            message.key(),
            headers=headers,
            on_delivery=lambda error, _: errors.append(error),
        )
        self._producer.flush()
        return errors == [None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.flush(ANSWER_S)
