"""Reads the policies topic to its end, and writes to it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from types import TracebackType

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as Partition

from sluice.client.outcomes import consumer_properties, find_ends, find_partitions
from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable
from sluice.kafka import MAX_MESSAGE_BYTES
from sluice.policies.records import PARTITION, InForce, TopicState, Version, key_of

POLL_S = 0.5


class PolicyReader:
    """All records of the topic, from the first one on, and then those that come; it leaves no trace on the broker.

    Parameters
    ----------
    kafka : KafkaConfig
    timeout_s : float
        How long to wait for Kafka and the topic.
    is_patient : bool
        Let the brokers wait up to `POLL_S` for records, for whoever follows for long: the embedded one answers only
        then, and would be asked all the time.

    Raises
    ------
    KafkaUnavailable
        Kafka does not answer, or has no such topic.
    """

    def __init__(self, kafka: KafkaConfig, timeout_s: float = 15.0, *, is_patient: bool = False) -> None:
        self.state = TopicState(kafka.topics.policies)
        self._kafka = kafka
        self._timeout_s = timeout_s
        waits = {"fetch.wait.max.ms": int(POLL_S * 1000)} if is_patient else {}
        self._consumer = Consumer({**consumer_properties(kafka, f"sluice-policies-{uuid.uuid4()}"), **waits})
        try:
            self._partitions = find_partitions(self._consumer, kafka, (kafka.topics.policies,), timeout_s)
            self._consumer.assign([Partition(topic, number, OFFSET_BEGINNING) for topic, number in self._partitions])
        except BaseException:
            self._consumer.close()
            raise

    def read_to_end(self) -> list[str]:
        """Take everything that is there now; returns what was wrong with records.

        Raises
        ------
        KafkaUnavailable
            It could not be read within the time.
        """
        ends = find_ends(self._consumer, self._kafka, self._partitions, self._timeout_s)
        left, wrong = {place for place, end in ends.items() if end > 0}, list[str]()
        deadline = time.monotonic() + self._timeout_s
        while left:
            if time.monotonic() > deadline:
                raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: {self.state.topic} could not be read")
            for message in self._messages():
                wrong += self._take(message)
                place = (str(message.topic()), message.partition() or 0)
                if _is_end(message) or (message.offset() or 0) + 1 >= ends.get(place, 0):
                    left.discard(place)
        return wrong

    def poll(self) -> tuple[bool, list[str]]:
        """Take what has come; waits up to `POLL_S`. Returns whether something has, and what was wrong with records."""
        wrong, n_before = list[str](), 0
        for message in self._messages():
            n_before += message.error() is None
            wrong += self._take(message)
        return n_before > 0, wrong

    def _messages(self) -> Iterator[Message]:
        first = self._consumer.poll(POLL_S)
        if first is not None:
            yield first
            yield from self._consumer.consume(500, 0)

    def _take(self, message: Message) -> list[str]:
        if message.error() is not None:  # of the connection: librdkafka goes on trying
            return []
        wrong = self.state.apply(message.key(), message.value())
        return [] if wrong is None else [f"{self.state.topic}, offset {message.offset()}: {wrong}"]

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def __enter__(self) -> PolicyReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def read_topic(kafka: KafkaConfig, timeout_s: float = 15.0) -> TopicState:
    """What the topic says now; raises `KafkaUnavailable`."""
    with PolicyReader(kafka, timeout_s) as reader:
        reader.read_to_end()
        return reader.state


def write(
    kafka: KafkaConfig, versions: Sequence[tuple[str, int, Version]], in_force: Sequence[tuple[str, InForce]],
    timeout_s: float = 15.0,
) -> None:  # fmt: skip
    """Write versions, and then what is in force; returns when the brokers have all of it.

    Raises
    ------
    KafkaUnavailable
        They did not acknowledge it in time.
    """
    records = [(key_of(name, version), msgspec.json.encode(value)) for name, version, value in versions]
    records += [(key_of(name), msgspec.json.encode(value)) for name, value in in_force]
    failed: list[str] = []

    def note(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error.str())

    producer = Producer({
        **kafka.librdkafka(), "acks": "all", "enable.idempotence": not kafka.embedded, "linger.ms": 0, "log_level": 0,
        "message.timeout.ms": int(timeout_s * 1000), "message.max.bytes": MAX_MESSAGE_BYTES,
    })  # fmt: skip
    try:
        for key, value in records:
            producer.produce(kafka.topics.policies, value, key, PARTITION, on_delivery=note)
        n_left = producer.flush(timeout_s + 1.0)
    except KafkaException as error:
        raise KafkaUnavailable(f"Kafka at {kafka.bootstrap}: {error.args[0].str()}") from error
    if n_left or failed:
        raise KafkaUnavailable(f"Kafka at {kafka.bootstrap}: {failed[0] if failed else 'no answer in time'}")
