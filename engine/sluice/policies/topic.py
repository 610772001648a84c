"""Reads the policies topic to its end, and writes to it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sluice.client.compacted import CompactedReader, read_state, write_records
from sluice.config import KafkaConfig
from sluice.policies.records import InForce, TopicState, Version, key_of

PolicyReader = CompactedReader[TopicState]


def open_reader(kafka: KafkaConfig, timeout_s: float = 15.0, *, is_patient: bool = False) -> PolicyReader:
    """See `CompactedReader`."""
    return CompactedReader(kafka, TopicState(kafka.topics.policies), timeout_s, is_patient=is_patient)


def read_topic(kafka: KafkaConfig, timeout_s: float = 15.0) -> TopicState:
    """What the topic says now; raises `KafkaUnavailable`."""
    return read_state(kafka, TopicState(kafka.topics.policies), timeout_s)


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
    write_records(kafka, kafka.topics.policies, records, timeout_s)
