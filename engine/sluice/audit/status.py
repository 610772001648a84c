"""How far a log is: beside what the topics hold now."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import closing

import msgspec
from confluent_kafka import Consumer

from sluice.audit.log import ERASURES, AuditLog
from sluice.client.messages import Place
from sluice.client.outcomes import consumer_properties, find_ends, find_partitions
from sluice.config import KafkaConfig


class ChainStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One partition.

    Attributes
    ----------
    offset : int
        Of the last message in the log, -1 without one.
    end : int
        The offset that the next message will have.
    behind : int
        Offsets that are not in the log yet; below 0 the log goes further than the topic, which was made anew.
    """

    topic: str
    partition: int
    offset: int
    end: int
    behind: int


class LogStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A whole log.

    Attributes
    ----------
    has_writer : bool or None
        Whether somebody writes to it; None for a store that knows no locks.
    """

    chains: Sequence[ChainStatus]
    behind: int
    has_writer: bool | None = None


def read_status(kafka: KafkaConfig, log: AuditLog, topics: Sequence[str], timeout_s: float) -> LogStatus:
    """Hold a log's chains, and those that it does not have yet, against their topics.

    Raises
    ------
    KafkaUnavailable
        Kafka does not answer, or lacks a topic.
    AuditError
        A file of the log cannot be read.
    """
    followed = sorted({*topics, *(topic for topic, _ in log.places() if topic != ERASURES)})
    with closing(Consumer(consumer_properties(kafka, f"sluice-audit-{uuid.uuid4()}"))) as consumer:
        places = find_partitions(consumer, kafka, tuple(followed), timeout_s)
        ends = find_ends(consumer, kafka, places, timeout_s)
    chains = [_chain(log, place, ends[place]) for place in sorted(ends)]
    return LogStatus(chains=chains, behind=sum(max(0, chain.behind) for chain in chains))


def _chain(log: AuditLog, place: Place, end: int) -> ChainStatus:
    offset = log.head(place).offset
    return ChainStatus(topic=place[0], partition=place[1], offset=offset, end=end, behind=end - offset - 1)
