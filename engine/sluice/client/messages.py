"""What librdkafka's messages say of themselves, typed."""

from __future__ import annotations

from typing import cast

from confluent_kafka import Consumer, KafkaError, Message

from sluice.kafka import COPIED_TIME_HEADER, copied_from

Place = tuple[str, int]
"""A topic and a partition."""
N_AT_ONCE = 500
Headers = list[tuple[str, bytes | None]]


def take_ready(consumer: Consumer, wait_s: float, n_most: int = N_AT_ONCE) -> list[Message]:
    """Wait for one message, and take what lies ready behind it: `consume` alone would wait for a full batch."""
    first = consumer.poll(wait_s)
    return [] if first is None else [first, *consumer.consume(n_most, 0)]


def place_of(message: Message) -> Place:
    """Where a message lies, or whose end it tells."""
    return str(message.topic()), cast(int, message.partition())


def headers_of(message: Message) -> Headers:
    """A message's headers as they came."""
    return cast(Headers, message.headers() or [])


def first_place(message: Message) -> str:
    """Topic, partition and offset of a message; of a copy, those of the first one."""
    copied = copied_from(headers_of(message))
    return f"{message.topic()}/{message.partition()}/{message.offset() if copied is None else copied}"


def first_time_ms(message: Message) -> int:
    """When a message was written, in milliseconds since the epoch; of a copy, when the first one was."""
    written_ms = message.timestamp()[1]
    said = next((value for name, value in headers_of(message) if name == COPIED_TIME_HEADER and value), b"")
    return min(written_ms, int(said)) if said.isdigit() else written_ms


def tells_end(message: Message) -> bool:
    """Whether it is no message but the news that a partition is read to its end."""
    return is_end(message.error())


def is_end(error: KafkaError | None) -> bool:
    """Whether an error is that news."""
    return error is not None and error.code() == KafkaError._PARTITION_EOF
