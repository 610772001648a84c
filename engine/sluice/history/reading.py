"""Folds the topics of verdicts, reports and erasures into a history: every partition, from where it says on."""

from __future__ import annotations

import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message
from confluent_kafka import TopicPartition as Partition

from sluice.client.messages import Place, first_place, first_time_ms, headers_of, place_of, take_ready, tells_end
from sluice.client.outcomes import consumer_properties, find_ends, find_partitions
from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable
from sluice.history.erasures import Erasure, decode_erasure
from sluice.history.events import Event, read_report, read_verdict
from sluice.metrics import Metrics
from sluice.topics import Topics

logger = logging.getLogger(__name__)

POLL_S = 0.2
BATCH = 2000
LIST_S = 10.0
"""How often it is asked for partitions that were added."""


class UnreadEvent(Exception):
    """A message counts for nothing, since it cannot be read; says what kind of error that was."""


class Folding(Protocol):
    """What events are folded into: `RememberedAuthors`."""

    @property
    def offsets(self) -> Mapping[Place, int]:
        """See `RememberedAuthors.offsets`."""
        ...

    def fold(self, events: Iterable[Event], offsets: Mapping[Place, int]) -> None:
        """See `RememberedAuthors.fold`."""
        ...

    def forget(self, erasure: Erasure) -> object:
        """See `RememberedAuthors.forget`."""
        ...


class HistoryReader:
    """Reads into a history; it belongs to no group and leaves no trace on the broker. For one thread.

    Parameters
    ----------
    kafka : KafkaConfig
    authors : Folding
    metrics : Metrics
    timeout_s : float
        How long to wait for Kafka, and for something to come while there is something to read.

    Raises
    ------
    KafkaUnavailable
        Kafka does not answer, or lacks a topic.
    """

    def __init__(self, kafka: KafkaConfig, authors: Folding, metrics: Metrics, timeout_s: float) -> None:
        self._kafka = kafka
        self._authors = authors
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._topics = topics_of_history(kafka.topics)
        self._consumer = Consumer(consumer_properties(kafka, f"sluice-history-{uuid.uuid4()}"))
        self._places: list[Place] = []
        self._listed_at = time.monotonic()
        try:
            self._places = find_partitions(self._consumer, kafka, self._topics, timeout_s)
        except BaseException:
            self._consumer.close()
            raise

    def _assign(self, places: list[Place]) -> None:
        """Read on from what the history holds; what is not there any more, from what is the first."""
        self._places, known = places, self._authors.offsets
        self._consumer.assign([Partition(*place, known.get(place, OFFSET_BEGINNING)) for place in places])

    def read_to_end(self) -> int:
        """Take everything that is there now; returns how many messages that was.

        Raises
        ------
        KafkaUnavailable
            Nothing came within the time although there is more.
        """
        ends = find_ends(self._consumer, self._kafka, self._places, self._timeout_s)
        self._assign(self._places)  # not before: a broker answers in order, and a fetch only after a while
        known = self._authors.offsets
        left = {place for place, end in ends.items() if known.get(place, 0) < end}
        n_read, deadline = 0, time.monotonic() + self._timeout_s
        while left:
            if time.monotonic() > deadline:
                raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: the history could not be read")
            for message in (come := self._poll()):
                if tells_end(message) or (message.offset() or 0) + 1 >= ends.get(place_of(message), 0):
                    left.discard(place_of(message))
            if come:
                n_read, deadline = n_read + len(come), time.monotonic() + self._timeout_s
        return n_read

    def poll(self) -> None:
        """Take what has come; waits for it up to `POLL_S`."""
        self._poll()
        if time.monotonic() - self._listed_at > LIST_S:
            self._listed_at = time.monotonic()
            self._look_for_more()

    def _look_for_more(self) -> None:
        try:
            found = find_partitions(self._consumer, self._kafka, self._topics, 1.0)
        except KafkaUnavailable:  # the topics are read on once it is back
            return
        if set(found) - set(self._places):
            self._assign(found)

    def _poll(self) -> Sequence[Message]:
        come = take_ready(self._consumer, POLL_S, BATCH)
        self._fold([message for message in come if message.error() is None])
        return come

    def _fold(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        read = [each for message in messages if (each := self._read(message))]
        offsets: defaultdict[Place, int] = defaultdict(int)
        for message in messages:
            place = place_of(message)
            offsets[place] = max(offsets[place], (message.offset() or 0) + 1)
            self._metrics.history_messages.labels(place[0]).inc()
        for each in read:
            if isinstance(each, Erasure):
                self._authors.forget(each)
        self._authors.fold([each for each in read if isinstance(each, Event)], offsets)
        self._metrics.history_newest.set(max((message.timestamp()[1] for message in messages), default=0) / 1000)

    def _read(self, message: Message) -> Event | Erasure | None:
        """What a message counts for; one that cannot be read counts for nothing, and is said."""
        try:
            return read_event(message, self._kafka.topics)
        except UnreadEvent as error:
            self._metrics.history_unread.labels(str(message.topic())).inc()
            logger.warning("%s/%s/%s is not counted: %s", *place_of(message), message.offset(), error)
            return None

    def resume(self) -> None:
        """Read on from what the history holds, after something went wrong with what was taken."""
        self._assign(self._places)

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()


def topics_of_history(topics: Topics) -> tuple[str, ...]:
    """What a history is read from."""
    return topics.verdicts, topics.reports, topics.erasures


def read_event(message: Message, topics: Topics) -> Event | Erasure | None:
    """What a message counts for; None for one that asks for nothing.

    Raises
    ------
    UnreadEvent
        It is not what its topic is for, or the extra for its form is not installed.
    """
    try:
        if message.topic() == topics.erasures:
            asked = decode_erasure(message.value())
            return asked if isinstance(asked, Erasure) else None
        if message.topic() == topics.reports:
            return read_report(message.value(), first_time_ms(message) / 1000, first_place(message))
        return read_verdict(message.value(), headers_of(message))
    except Exception as error:  # whatever the bytes made it run into: one message must not end all counting
        raise UnreadEvent(type(error).__name__) from error
