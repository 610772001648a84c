"""Takes messages from the topics into the log, each offset once."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message
from confluent_kafka import TopicPartition as Partition

from sluice.audit.contents import Read, reader_of
from sluice.audit.log import ERASURES, PRIVATE, AuditLog, Entry, Head
from sluice.audit.mirror import Mirror
from sluice.audit.records import Body, make_private
from sluice.client.messages import Place, headers_of, place_of, take_ready, tells_end
from sluice.client.outcomes import consumer_properties, find_ends, find_partitions
from sluice.config import KafkaConfig
from sluice.errors import AuditError, KafkaUnavailable
from sluice.kafka import copied_from

logger = logging.getLogger(__name__)

POLL_S = 0.2
N_MOST = 10_000
"""Records of a file: about 1 MB, and what waits in memory."""


@dataclass(slots=True)
class _Chain:
    """A partition: where its chain ends, and what is to be added."""

    head: Head
    read: Read
    next_offset: int
    waiting: list[Entry] = field(default_factory=list)


class AuditFollower:
    """Reads topics from where the log ends; a context manager, which leaves what it has read in the log.

    It belongs to no group: the log itself says how far it is, so that both can never differ.

    Parameters
    ----------
    kafka : KafkaConfig
    log : AuditLog
        Nobody else may write to it meanwhile.
    topics : sequence of str
    every_s : float
        A file is written after so many seconds at most, or `N_MOST` records.
    timeout_s : float
        How long to wait for Kafka.
    mirror : Mirror or None
        Gets every file of the log when it is written.

    Raises
    ------
    KafkaUnavailable
        Kafka does not answer, or lacks a topic.
    AuditError
        The log goes further than the topic: it is another one of the same name. Or a topic has a name of the log's own.
    """

    def __init__(
        self, kafka: KafkaConfig, log: AuditLog, topics: Sequence[str], every_s: float = 60.0, timeout_s: float = 15.0,
        mirror: Mirror | None = None,
    ) -> None:  # fmt: skip
        if mistaken := sorted({ERASURES, PRIVATE.rstrip("/")} & set(topics)):
            raise AuditError(f"a topic called {mistaken[0]!r} cannot be followed: the log uses this name itself")
        self._kafka, self._log, self._every_s, self._timeout_s = kafka, log, every_s, timeout_s
        self._mirror = mirror
        self.n_records = 0
        self._consumer = Consumer(consumer_properties(kafka, f"sluice-audit-{uuid.uuid4()}"))
        try:
            self._places = find_partitions(self._consumer, kafka, tuple(topics), timeout_s)
            log.drop_orphans()
            self._chains = {place: self._open(place) for place in self._places}
            self._check(self._ends())
            self._consumer.assign([Partition(*place, _start(chain)) for place, chain in self._chains.items()])
        except BaseException:
            self._consumer.close()
            raise
        self._written_at = time.monotonic()

    def _open(self, place: Place) -> _Chain:
        head = self._log.head(place)
        return _Chain(head, reader_of(place[0], self._kafka.topics), head.offset + 1)

    def _ends(self) -> dict[Place, int]:
        return find_ends(self._consumer, self._kafka, self._places, self._timeout_s)

    def _check(self, ends: dict[Place, int]) -> None:
        for (topic, number), chain in self._chains.items():
            if chain.next_offset > ends[topic, number]:
                raise AuditError(
                    f"the log holds {topic}/{number} up to offset {chain.head.offset}, the topic ends before: it was "
                    "made anew; begin another log"
                )

    def run(self, is_over: Callable[[], bool]) -> None:
        """Take what comes until `is_over`."""
        while not is_over():
            self._take_some()

    def catch_up(self) -> None:
        """Take everything that is there now; raises `KafkaUnavailable` if no more of it comes."""
        ends = self._ends()
        left = {place for place, end in ends.items() if self._chains[place].next_offset < end}
        deadline = time.monotonic() + self._timeout_s
        while left:
            messages = self._take_some()
            if messages:
                deadline = time.monotonic() + self._timeout_s
            left -= {place_of(message) for message in messages if tells_end(message)}
            left -= {place for place in left if self._chains[place].next_offset >= ends[place]}
            if time.monotonic() > deadline:
                raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: the topics could not be read to their ends")
        self.write()

    def _take_some(self) -> list[Message]:
        """What came: messages, and the news that a partition is read to its end, where offsets may have none."""
        messages = take_ready(self._consumer, POLL_S)
        for message in messages:
            if message.error() is None:
                self._take(message)
        n_waiting = sum(len(chain.waiting) for chain in self._chains.values())
        if n_waiting >= N_MOST or time.monotonic() - self._written_at >= self._every_s:
            self.write()
        return messages

    def _take(self, message: Message) -> None:
        chain, offset = self._chains[place_of(message)], cast(int, message.offset())
        if offset >= chain.next_offset:
            chain.waiting.append(_entry_of(message, chain.read))
            chain.next_offset = offset + 1

    def write(self) -> None:
        """Write what waits."""
        self._written_at = time.monotonic()
        today = datetime.now(UTC).date().isoformat()
        for place, chain in self._chains.items():
            if chain.waiting:
                chain.head = self._log.write(place, chain.head, chain.waiting, today)
                self.n_records += len(chain.waiting)
                chain.waiting = []
                if self._mirror is not None:
                    self._mirror.add(place, chain.head.file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.write()
        finally:
            self._consumer.close()


def _start(chain: _Chain) -> int:
    return chain.next_offset if chain.head.offset >= 0 else OFFSET_BEGINNING


def _entry_of(message: Message, read: Read) -> Entry:
    headers = headers_of(message)
    kind, public, hidden = read(message.key(), message.value(), headers)
    offset = cast(int, message.offset())
    private = make_private(offset, hidden) if hidden else None
    body = Body(
        prev="",
        topic=str(message.topic()),
        partition=cast(int, message.partition()),
        offset=offset,
        at_ms=message.timestamp()[1],
        kind=kind,
        copy_of=copied_from(headers),
        private=private.seal() if private else None,
        says=public,
    )
    return Entry(body, private)
