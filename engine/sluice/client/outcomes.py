"""Reads verdicts and dead letters."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal

import tenacity
from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Partition

from sluice.client.messages import headers_of, is_end, place_of, take_ready
from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable
from sluice.formats import decode_verdict, form_of
from sluice.kafka import DETAIL_HEADER, LEFT_OUT_HEADER, REASON_HEADER, REDRIVEN_HEADER, SOURCE_HEADER
from sluice.schema import Verdict, encode

CORRELATION_HEADER = "sluice-correlation"
"""A publisher may set it on a post; it travels to the post's outcome."""

Kind = Literal["verdict", "dead_letter"]
KINDS: tuple[Kind, ...] = ("verdict", "dead_letter")
_FETCH_WAIT_MS = {False: 500, True: 10}
"""By whether the broker is the embedded one: that always waits to the end of it, even if a message comes meanwhile."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one post.

    Attributes
    ----------
    value : bytes or None
        The verdict as it was written, or the original bytes of the dead letter: None for a message that had no value.
    partition, offset : int
        Where it lies in its topic.
    timestamp_s : float or None
        Seconds since 1970 at which it was produced.
    """

    kind: Kind
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    partition: int
    offset: int
    timestamp_s: float | None

    def verdict(self) -> Verdict:
        """Decode a verdict, in whatever form it is; raises `msgspec.DecodeError` if it is none."""
        return decode_verdict(self.value, self.headers)

    def verdict_json(self) -> bytes:
        """A verdict's JSON: as it was written, or made of another form; raises as `verdict` does."""
        is_json = form_of(self.value, self.headers) == "json"
        return self.value or b"" if is_json else encode(self.verdict())

    def header(self, name: str) -> str | None:
        """The last header of this name, as text."""
        values = [value for key, value in self.headers if key == name]
        return values[-1].decode("utf-8", "replace") if values and values[-1] is not None else None

    @property
    def correlation(self) -> str | None:
        """What the publisher set as `CORRELATION_HEADER`."""
        return self.header(CORRELATION_HEADER)

    @property
    def left_out(self) -> tuple[str, ...]:
        """What of the original a dead letter does not hold, since its topic had no room for it."""
        return tuple((value or b"").decode("utf-8", "replace") for key, value in self.headers if key == LEFT_OUT_HEADER)

    @property
    def n_redriven(self) -> int:
        """How often a dead letter was published again before it came back."""
        counted = self.header(REDRIVEN_HEADER) or ""
        return int(counted) if counted.isdecimal() else 0

    def dead_letter(self) -> dict[str, str | None]:
        """Why a dead letter is one: ``reason``, ``detail``, ``key`` and ``source`` (topic/partition/offset)."""
        return {
            "reason": self.header(REASON_HEADER),
            "detail": self.header(DETAIL_HEADER),
            "key": None if self.key is None else self.key.decode("utf-8", "replace"),
            "source": self.header(SOURCE_HEADER),
        }


class Outcomes:
    """A reader of the verdicts and the dead letters, of all partitions; it leaves no trace on the broker.

    Parameters
    ----------
    kafka : KafkaConfig
        Where from.
    start : {"end", "beginning"}
        ``end``: only what comes after this call has returned.
    since_s : float or None
        In seconds since 1970: what was produced before is left out, wherever it starts.
    kinds : tuple of {"verdict", "dead_letter"}
        What to read.
    timeout_s : float
        How long to wait for Kafka and for the topics to be there.

    Raises
    ------
    KafkaUnavailable
        Kafka does not answer, or lacks a topic.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        *,
        start: Literal["beginning", "end"] = "end",
        since_s: float | None = None,
        kinds: tuple[Kind, ...] = KINDS,
        timeout_s: float = 15.0,
    ) -> None:
        self._kafka = kafka
        names = {"verdict": kafka.topics.verdicts, "dead_letter": kafka.topics.dead_letters}
        self._kinds: dict[str, Kind] = {names[kind]: kind for kind in kinds}
        self._since_s = since_s or 0.0
        self._consumer = Consumer(consumer_properties(kafka, f"sluice-reader-{uuid.uuid4()}"))
        try:
            self._partitions = find_partitions(self._consumer, kafka, tuple(self._kinds), timeout_s)
            self._ends = find_ends(self._consumer, kafka, self._partitions, timeout_s)
            self._behind = {place for place, end in self._ends.items() if end > 0}
            self._consumer.assign(self._starts(start) if since_s is None else self._starts_since(since_s, timeout_s))
        except BaseException:
            self._consumer.close()
            raise

    def _starts(self, start: str) -> list[Partition]:
        if start == "end":
            return [Partition(topic, number, end) for (topic, number), end in self._ends.items()]
        return [Partition(topic, number, OFFSET_BEGINNING) for topic, number in self._partitions]

    def _starts_since(self, since_s: float, timeout_s: float) -> list[Partition]:
        """Offsets of the first messages that are not older; behind the last one where all are.

        The embedded broker cannot say (librdkafka's mock cluster looks up no times): there everything is read.
        """
        if self._kafka.embedded:
            return self._starts("beginning")
        wanted = [Partition(topic, number, max(0, int(since_s * 1000))) for topic, number in self._partitions]
        try:
            return self._consumer.offsets_for_times(wanted, timeout=timeout_s)
        except KafkaException as error:
            raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: {error.args[0].str()}") from error

    def poll(self, timeout_s: float = 0.1) -> list[Outcome]:
        """What has come in; waits until there is something, at most `timeout_s` seconds."""
        found = [self._outcome(message) for message in self._messages(timeout_s) if message.error() is None]
        return [outcome for outcome in found if not self._is_old(outcome)]

    def _is_old(self, outcome: Outcome) -> bool:
        return outcome.timestamp_s is not None and outcome.timestamp_s < self._since_s

    def follow(self) -> Iterator[Outcome]:
        """Everything, for ever."""
        while True:
            yield from self.poll(0.5)

    @property
    def has_caught_up(self) -> bool:
        """Whether everything that was there when this reader was made has been read."""
        return not self._behind

    def read_to_end(self) -> Iterator[Outcome]:
        """Everything that was there when this reader was made."""
        while self._behind:
            for message in self._messages(0.5):
                topic, number, offset = _locate(message)
                if message.error() is None and offset < self._ends[topic, number]:
                    outcome = self._outcome(message)
                    if not self._is_old(outcome):
                        yield outcome

    def _messages(self, timeout_s: float) -> list[Message]:
        messages = take_ready(self._consumer, timeout_s)
        for message in messages:
            self._raise_unless_end(message.error())
            topic, number, offset = _locate(message)
            if is_end(message.error()) or offset + 1 >= self._ends.get((topic, number), 0):
                self._behind.discard((topic, number))
        return messages

    def _raise_unless_end(self, error: KafkaError | None) -> None:
        if error is None or is_end(error) or error.retriable():
            return
        if error.code() not in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):  # these pass: librdkafka retries
            raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: {error.str()}")

    def _outcome(self, message: Message) -> Outcome:
        clock, produced_ms = message.timestamp()
        topic, number, offset = _locate(message)
        return Outcome(
            kind=self._kinds[topic],
            key=message.key(),
            value=message.value(),
            headers=tuple(headers_of(message)),
            partition=number,
            offset=offset,
            timestamp_s=None if clock == TIMESTAMP_NOT_AVAILABLE else produced_ms / 1000,
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def __enter__(self) -> Outcomes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_topic(kafka: KafkaConfig, topic: str, since_s: float | None, timeout_s: float) -> Outcomes:
    """A reader of one topic with verdicts, or with anything else: from now on, or from a time in seconds since 1970.

    Raises
    ------
    KafkaUnavailable
        Kafka does not answer, or lacks the topic.
    """
    named = replace(kafka, topics=replace(kafka.topics, verdicts=topic))
    return Outcomes(named, since_s=since_s, kinds=("verdict",), timeout_s=timeout_s)


def _locate(message: Message) -> tuple[str, int, int]:
    offset = message.offset()
    return *place_of(message), -1 if offset is None else offset


def consumer_properties(kafka: KafkaConfig, group: str) -> dict[str, str | int | float | bool]:
    """Properties for librdkafka of a reader that assigns its partitions itself."""
    return {
        **kafka.librdkafka(),
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": _FETCH_WAIT_MS[kafka.embedded],
        "queued.max.messages.kbytes": 64 * 1024,
        "log_level": 0,
    }


def find_partitions(
    consumer: Consumer, kafka: KafkaConfig, topics: tuple[str, ...], timeout_s: float
) -> list[tuple[str, int]]:
    """Topic and number of every partition of the topics.

    Raises
    ------
    KafkaUnavailable
        Kafka does not answer in time, or a topic is not there by then.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        known = _list_topics(consumer)
        missing = [topic for topic in topics if topic not in (known or {})]
        if known is not None and not missing:
            return [(topic, number) for topic in topics for number in known[topic]]
        if time.monotonic() > deadline:
            trouble = "does not answer" if known is None else f"has no topic {missing[0]}"
            raise KafkaUnavailable(f"Kafka at {kafka.bootstrap} {trouble}")
        time.sleep(0.1)


def _list_topics(consumer: Consumer) -> dict[str, list[int]] | None:
    # In short calls, so that Ctrl-C is heard between them.
    try:
        known = consumer.list_topics(timeout=1.0).topics
    except KafkaException:
        return None
    return {name: sorted(topic.partitions) for name, topic in known.items() if topic.error is None and topic.partitions}


def find_ends(
    consumer: Consumer, kafka: KafkaConfig, partitions: list[tuple[str, int]], timeout_s: float
) -> dict[tuple[str, int], int]:
    """The offset behind the last message of each partition; raises `KafkaUnavailable`."""
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_passes),  # a partition made just now has no leader yet
        wait=tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(timeout_s),
        reraise=True,
    )
    try:
        return {
            (topic, number): attempts(consumer.get_watermark_offsets, Partition(topic, number), timeout=timeout_s)[1]
            for topic, number in partitions
        }
    except KafkaException as error:
        raise KafkaUnavailable(f"Kafka at {kafka.bootstrap} does not answer: {error.args[0].str()}") from error


def _passes(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in _PASSING


_PASSING = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
)
