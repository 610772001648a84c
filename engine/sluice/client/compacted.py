"""Reads a compacted topic to its end and goes on from there, and writes to it.

A consumer of its own that belongs to no group and reads every partition. Not a Faust GlobalTable: `sluice serve` has no
Faust, a table is recovered anew at every rebalance while posts wait, and its records are in Faust's own form, where
commands write these. One reader serves all of them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as Partition

from sluice.client.messages import take_ready, tells_end
from sluice.client.outcomes import consumer_properties, find_ends, find_partitions
from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable
from sluice.kafka import MAX_MESSAGE_BYTES

POLL_S = 0.5

PARTITION = 0
"""All records lie in one partition, so that everybody reads them in the order in which they were written."""

FLUSH_BYTES = 32 * 2**20
"""So much is written before it is waited for: what waits longer than a message's time would be given up."""

Record = tuple[bytes, bytes | None]
"""A key, and its value; None takes the key's record away."""


class Recorded(Protocol):
    """What records come to.

    Attributes
    ----------
    topic : str
    """

    topic: str

    def apply(self, key: bytes | None, value: bytes | None) -> str | None:
        """Take one record; returns what is wrong with one that is none of ours, which changes nothing."""
        ...


StateT = TypeVar("StateT", bound=Recorded)


class CompactedReader(Generic[StateT]):
    """All records of a topic, from the first one on, and then those that come; it leaves no trace on the broker.

    Parameters
    ----------
    kafka : KafkaConfig
    state : Recorded
        Takes them; names the topic.
    timeout_s : float
        How long to wait for Kafka and the topic; where there is much to read, for the next of it.
    is_patient : bool
        Let the brokers wait up to `POLL_S` for records, for whoever follows for long: the embedded one answers only
        then, and would be asked all the time.

    Raises
    ------
    KafkaUnavailable
        Kafka does not answer, or has no such topic.
    """

    def __init__(self, kafka: KafkaConfig, state: StateT, timeout_s: float = 15.0, *, is_patient: bool = False) -> None:
        self.state = state
        self._kafka = kafka
        self._timeout_s = timeout_s
        waits = {"fetch.wait.max.ms": int(POLL_S * 1000)} if is_patient else {}
        self._consumer = Consumer({**consumer_properties(kafka, f"sluice-follower-{uuid.uuid4()}"), **waits})
        try:
            self._partitions = find_partitions(self._consumer, kafka, (state.topic,), timeout_s)
        except BaseException:
            self._consumer.close()
            raise

    def read_to_end(self) -> list[str]:
        """Take everything that is there now, from the first record on; returns what was wrong with records.

        Raises
        ------
        KafkaUnavailable
            Nothing more of it came within the time.
        """
        ends = find_ends(self._consumer, self._kafka, self._partitions, self._timeout_s)
        # Not before: a broker answers in order, and a fetch only once there is something, or after a while.
        self._consumer.assign([Partition(*place, OFFSET_BEGINNING) for place in self._partitions])
        left, wrong = {place for place, end in ends.items() if end > 0}, list[str]()
        deadline = time.monotonic() + self._timeout_s
        while left:
            if time.monotonic() > deadline:
                raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: {self.state.topic} could not be read")
            for message in take_ready(self._consumer, POLL_S):
                wrong += self._take(message)
                if message.error() is None:
                    deadline = time.monotonic() + self._timeout_s
                place = (str(message.topic()), message.partition() or 0)
                if tells_end(message) or (message.offset() or 0) + 1 >= ends.get(place, 0):
                    left.discard(place)
        return wrong

    def poll(self) -> tuple[bool, list[str]]:
        """Take what has come after `read_to_end`; waits up to `POLL_S`.

        Returns whether something has, and what was wrong with records.
        """
        wrong, n_before = list[str](), 0
        for message in take_ready(self._consumer, POLL_S):
            n_before += message.error() is None
            wrong += self._take(message)
        return n_before > 0, wrong

    def _take(self, message: Message) -> list[str]:
        if message.error() is not None:  # of the connection: librdkafka goes on trying
            return []
        wrong = self.state.apply(message.key(), message.value())
        return [] if wrong is None else [f"{self.state.topic}, offset {message.offset()}: {wrong}"]

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def __enter__(self) -> CompactedReader[StateT]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_state(kafka: KafkaConfig, state: StateT, timeout_s: float = 15.0) -> StateT:
    """What a topic says now; raises `KafkaUnavailable`."""
    with CompactedReader(kafka, state, timeout_s) as reader:
        reader.read_to_end()
        return reader.state


def write_records(kafka: KafkaConfig, topic: str, records: Iterable[Record], timeout_s: float = 15.0) -> None:
    """Write records in their order; returns when the brokers have all of them.

    Raises
    ------
    KafkaUnavailable
        They did not acknowledge them in time.
    """
    writer = _Writer(kafka, topic, timeout_s)
    try:
        for key, value in records:
            writer.write(key, value)
        writer.flush()
    except KafkaException as error:
        raise KafkaUnavailable(f"Kafka at {kafka.bootstrap}: {error.args[0].str()}") from error


def now() -> str:
    """When a record is written: RFC 3339, UTC, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class _Writer:
    def __init__(self, kafka: KafkaConfig, topic: str, timeout_s: float) -> None:
        self._kafka, self._topic, self._timeout_s = kafka, topic, timeout_s
        self._failed: list[str] = []
        self._n_bytes = 0
        self._producer = Producer({
            **kafka.librdkafka(), "acks": "all", "enable.idempotence": not kafka.embedded, "linger.ms": 0,
            "log_level": 0, "message.timeout.ms": int(timeout_s * 1000), "message.max.bytes": MAX_MESSAGE_BYTES,
        })  # fmt: skip

    def write(self, key: bytes, value: bytes | None) -> None:
        self._producer.produce(self._topic, value, key, PARTITION, on_delivery=self._note)
        self._n_bytes += len(key) + len(value or b"") + 1024
        if self._n_bytes > FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        self._n_bytes = 0
        n_left = self._producer.flush(self._timeout_s + 1.0)
        if n_left or self._failed:
            reason = self._failed[0] if self._failed else "no answer in time"
            raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: {reason}")

    def _note(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error.str())
