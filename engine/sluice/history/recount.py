"""Counts anew from the topics, in the plainest way, and compares: what a store holds has to be what they say."""

from __future__ import annotations

import heapq
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message
from confluent_kafka import TopicPartition as Partition

from sluice.client.messages import Place
from sluice.client.outcomes import consumer_properties
from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable
from sluice.history.config import HistoryConfig
from sluice.history.counts import DAY_MS, HOUR_MS
from sluice.history.entries import MAX_ENTRIES, Entry, read
from sluice.history.events import Event, to_ms
from sluice.history.reading import UnreadEvent, read_event
from sluice.history.remembered import BLOCK, KEPT_MS, RememberedAuthors
from sluice.history.subjects import Naming

Counted = dict[bytes, list[Entry]]
"""By subject, in rank."""


def recount(events: Iterable[Event], config: HistoryConfig) -> Counted:
    """What a history has to hold after these events, in whatever order and however often they came."""
    naming, best = Naming(config.key), defaultdict[bytes, dict[int, Entry]](dict)
    for event in events:
        entry_id = naming.entry_id(event.tenant, event.name)
        entry = (event.at_ms, event.decision or 0, event.text, entry_id)
        if event.decision is None:
            hourly = naming.entry_id(event.tenant, f"{event.at_ms // HOUR_MS} {event.name}")
            entry, entry_id = (event.at_ms, 0, entry_id, hourly), hourly
        for subject in _subjects_of(event, naming):
            best[subject][entry_id] = max(entry, best[subject].get(entry_id, entry))
        if event.decision is not None and event.text:
            writers = best[naming.text(event.tenant, event.text)]
            writer = (*entry[:3], naming.writer_id(event.tenant, event.author))
            writers[writer[3]] = max(writer, writers.get(writer[3], writer))
    return {subject: heapq.nlargest(MAX_ENTRIES, found.values())[::-1] for subject, found in best.items()}


def _subjects_of(event: Event, naming: Naming) -> Iterator[bytes]:
    if event.decision is None:
        yield naming.subject("reports", event.tenant, event.author)
        return
    yield naming.subject("posts", event.tenant, event.author)
    if event.decision == BLOCK:
        yield naming.subject("strikes", event.tenant, event.author)


def still_counting(counted: Counted, config: HistoryConfig, now_ms: int) -> Counted:
    """Without entries that count for nothing any more: a store drops them, in its time."""

    def since(subject: bytes) -> int:
        return now_ms - (round(config.days * DAY_MS) if subject[:1] == b"s" else KEPT_MS)

    kept = {subject: [one for one in entries if one[0] >= since(subject)] for subject, entries in counted.items()}
    return {subject: entries for subject, entries in kept.items() if entries}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A history beside a recount.

    Attributes
    ----------
    n_authors : int
        Whose posts are counted.
    n_entries : int
        In the recount.
    n_different : int
        Sets of entries that are not the same in both, or are in one of them only.
    """

    n_authors: int
    n_entries: int
    n_different: int


def compare(kafka: KafkaConfig, config: HistoryConfig, authors: RememberedAuthors, timeout_s: float) -> Comparison:
    """Recount the topics up to where the history has read them, and compare all of it; raises `KafkaUnavailable`."""
    now_ms = to_ms(time.time())
    counted = still_counting(recount(_events_before(kafka, authors.offsets, timeout_s), config), config, now_ms)
    held = still_counting(read_all(authors), config, now_ms)
    different = [subject for subject in counted.keys() | held.keys() if counted.get(subject) != held.get(subject)]
    n_authors = sum(subject[:1] == b"p" for subject in counted)
    return Comparison(n_authors, sum(map(len, counted.values())), len(different))


def read_all(authors: RememberedAuthors) -> Counted:
    """What a history holds."""
    return {subject: [tuple(entry) for entry in read(raw).tolist()] for subject, raw in authors.entries()}


def _events_before(kafka: KafkaConfig, ends: Mapping[Place, int], timeout_s: float) -> Iterator[Event]:
    for message in _messages_before(kafka, ends, timeout_s):
        try:
            event = read_event(message, kafka.topics)
        except UnreadEvent:  # neither a verdict nor a report: it counts for nothing
            continue
        if isinstance(event, Event):
            yield event


def _messages_before(kafka: KafkaConfig, ends: Mapping[Place, int], timeout_s: float) -> Iterator[Message]:
    consumer = Consumer(consumer_properties(kafka, f"sluice-recount-{uuid.uuid4()}"))
    try:
        for place, end in ends.items():
            consumer.assign([Partition(*place, OFFSET_BEGINNING)])
            while end > 0:
                message = consumer.poll(timeout_s)
                if message is None:
                    raise KafkaUnavailable(f"Kafka at {kafka.bootstrap}: {place[0]} could not be read")
                if message.error() is not None or (offset := message.offset() or 0) >= end:
                    break
                yield message
                if offset + 1 >= end:
                    break
    finally:
        consumer.close()
