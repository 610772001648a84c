"""Reads partitions to their ends, and takes out of one what is to go."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

import tenacity
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import AdminClient

from sluice.client.messages import Place, headers_of, take_ready
from sluice.client.outcomes import consumer_properties, find_partitions
from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable
from sluice.kafka import COPIED_HEADER, COPIED_TIME_HEADER, MAX_MESSAGE_BYTES, copied_from

POLL_S = 0.5
FETCH_WAIT_MS = 10
"""A broker answers a connection in order: what is asked of the next partition waits for the last fetch of this one."""


class Reading:
    """Reads partitions from their first message to the last that is there; for one thread."""

    def __init__(self, kafka: KafkaConfig, timeout_s: float = 15.0) -> None:
        self._kafka, self._timeout_s = kafka, timeout_s
        properties = consumer_properties(kafka, f"sluice-erasure-{uuid.uuid4()}")
        self._consumer = Consumer({**properties, "fetch.wait.max.ms": FETCH_WAIT_MS})

    def places(self, topics: Iterable[str]) -> list[Place]:
        """The partitions of topics; raises `KafkaUnavailable` if one is not there."""
        return find_partitions(self._consumer, self._kafka, tuple(topics), self._timeout_s)

    def messages(self, place: Place, before: int | None = None) -> Iterator[Message]:
        """What lies in a partition, up to an offset or to what is its end now; raises `KafkaUnavailable`."""
        low, high = self.bounds(place)
        end = high if before is None else min(before, high)
        if low >= end:
            return
        self._consumer.assign([Partition(*place, low)])
        deadline = time.monotonic() + self._timeout_s
        while True:
            for message in take_ready(self._consumer, POLL_S):
                deadline = time.monotonic() + self._timeout_s
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    continue  # of the connection: librdkafka goes on trying
                if error is not None or cast(int, message.offset()) >= end:
                    return
                yield message
                if cast(int, message.offset()) + 1 >= end:
                    return
            if time.monotonic() > deadline:
                raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: {place[0]}/{place[1]} could not be read")

    def bounds(self, place: Place) -> tuple[int, int]:
        """The offset of the first message, and the one behind the last; raises `KafkaUnavailable`."""
        try:
            low, high = self._consumer.get_watermark_offsets(Partition(*place), timeout=self._timeout_s)
        except KafkaException as error:
            raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: {error.args[0].str()}") from error
        return int(low), int(high)

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()


@dataclass(slots=True)
class Found:
    """What is to go from one partition.

    Attributes
    ----------
    offsets : set of int
        Of the messages.
    copies : dict of int to int
        Where a message lies that is a copy, by where it lay first.
    """

    offsets: set[int] = field(default_factory=set)
    copies: dict[int, int] = field(default_factory=dict)

    def note(self, message: Message) -> None:
        """Remember a copy."""
        first = copied_from(headers_of(message))
        if first is not None:
            self.copies[first] = cast(int, message.offset())


class Rewriter:
    """Takes messages out of partitions.

    Kafka deletes from the front of a partition only. So what lies in front of the last message that has to go, and is
    to stay, is first written once more at the partition's end: key, value, headers and time as they were, and a
    header that says where it lay. Then everything up to that message is deleted. Whoever is killed in between leaves
    messages that are there twice; the next one sees the copies, and does not write them again.
    """

    def __init__(self, kafka: KafkaConfig, reading: Reading, timeout_s: float = 30.0) -> None:
        self._kafka, self._reading, self._timeout_s = kafka, reading, timeout_s
        self._admin = AdminClient({**kafka.librdkafka(), "log_level": 0})
        self._errors: list[KafkaError] = []
        self._producer = Producer({
            **kafka.librdkafka(), "enable.idempotence": True, "acks": "all", "log_level": 0,
            "message.max.bytes": MAX_MESSAGE_BYTES, "message.timeout.ms": int(timeout_s * 1000),
        })  # fmt: skip

    def rewrite(self, place: Place, found: Found, keep_from: int = 0) -> int:
        """Take out what was found; returns how many others were written once more.

        Parameters
        ----------
        keep_from : int
            What lies before is not written once more: nobody is going to read it.

        Raises
        ------
        KafkaUnavailable
            Kafka did not take a copy, or did not delete; then nothing is lost.
        """
        last = max(found.offsets)
        n_copied = 0
        for message in self._reading.messages(place, before=last):
            if cast(int, message.offset()) >= keep_from and self._stays(message, found):
                self._copy(place, message)
                n_copied += 1
        self._flush()
        self._delete(place, last + 1)
        return n_copied

    def await_deletable(self, place: Place) -> None:
        """Wait until the brokers have heard that a topic's records may be deleted; raises `KafkaUnavailable`."""
        first, _ = self._reading.bounds(place)
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(KafkaUnavailable),
            wait=tenacity.wait_exponential(multiplier=0.05, max=1.0),
            stop=tenacity.stop_after_delay(self._timeout_s),
            reraise=True,
        )
        attempts(self._delete, place, first)

    def _stays(self, message: Message, found: Found) -> bool:
        """Of a message that lies there several times, the last is the one that counts."""
        offset = cast(int, message.offset())
        first = copied_from(headers_of(message))
        return offset not in found.offsets and found.copies.get(offset if first is None else first, offset) == offset

    def _copy(self, place: Place, message: Message) -> None:
        headers = [*headers_of(message)]
        if copied_from(headers) is None:
            headers.append((COPIED_HEADER, f"{place[1]}/{message.offset()}".encode()))
            headers.append((COPIED_TIME_HEADER, str(message.timestamp()[1]).encode()))
        while True:
            try:
                self._producer.produce(
                    place[0], message.value(), message.key(), place[1], headers=[*headers],
                    timestamp=max(0, message.timestamp()[1]), on_delivery=self._note,
                )  # fmt: skip
            except BufferError:  # librdkafka's queue is full: deliver some first
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def _note(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._errors.append(error)

    def _flush(self) -> None:
        if self._producer.flush(self._timeout_s) or self._errors:
            why = self._errors[0].str() if self._errors else "no answer in time"
            raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap} did not take a copy: {why}; nothing was deleted")

    def _delete(self, place: Place, before: int) -> None:
        deleting = self._admin.delete_records([Partition(*place, before)], request_timeout=self._timeout_s)
        try:
            for future in deleting.values():
                future.result()
        except KafkaException as error:
            why = f"{place[0]}: nothing can be taken out: {error.args[0].str()}"
            raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: {why}") from error


def committed_offsets(kafka: KafkaConfig, group: str, places: list[Place], timeout_s: float = 15.0) -> dict[Place, int]:
    """How far a group has come in partitions; 0 where it has not begun. Raises `KafkaUnavailable`."""
    consumer = Consumer(consumer_properties(kafka, group))
    try:
        known = consumer.committed([Partition(*place) for place in places], timeout=timeout_s)
    except KafkaException as error:
        raise KafkaUnavailable(f"Kafka at {kafka.bootstrap}: {error.args[0].str()}") from error
    finally:
        consumer.close()
    return {(one.topic, one.partition): max(0, one.offset) for one in known}
