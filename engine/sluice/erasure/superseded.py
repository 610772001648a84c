"""Records of compacted topics that were replaced: taken off at once, and not when Kafka compacts the topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

from confluent_kafka import KafkaException, Message
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    ResourceType,
)

from sluice.client.compacted import Record, write_records
from sluice.client.messages import Place, headers_of
from sluice.config import KafkaConfig
from sluice.erasure.partitions import Found, Reading, Rewriter
from sluice.errors import KafkaUnavailable
from sluice.kafka import copied_from

Holds = Callable[[bytes | None], bool]
"""Whether a record's value holds something of somebody."""

Settings = Mapping[str, str | None]
"""Of a topic; None for what the brokers have."""

DELETABLE: Settings = {"cleanup.policy": "compact,delete", "retention.ms": "-1", "retention.bytes": "-1"}
"""Kafka deletes records of no topic that it only compacts. With this it does, and none because of its age or size."""


class Superseded:
    """Looks through compacted topics, and takes off what has been replaced.

    What is the last of its key and lies in front of a record that has to go is written once more, as `Rewriter` does.
    Who writes meanwhile may then lie in front of a copy of what they replaced: what they wrote is written again.

    Raises
    ------
    KafkaUnavailable
        From every call: Kafka does not answer, or gives no leave to alter the topic's settings or to delete.
    """

    def __init__(self, kafka: KafkaConfig, timeout_s: float = 30.0) -> None:
        self._kafka, self._timeout_s = kafka, timeout_s
        self._reading = Reading(kafka, timeout_s)
        self._rewriter = Rewriter(kafka, self._reading, timeout_s)
        self._admin = AdminClient({**kafka.librdkafka(), "log_level": 0})

    def count(self, topic: str, holds: Holds) -> int:
        """Records that hold something, replaced or not."""
        return sum(holds(message.value()) for place in self._places(topic) for message in self._reading.messages(place))

    def erase(self, topic: str, holds: Holds) -> int:
        """Take off those of them that were replaced; returns how many that were."""
        n_theirs, found = 0, dict[Place, Found]()
        for place in self._places(topic):
            replaced, theirs = self._find(place, holds)
            n_theirs += len(theirs)
            if theirs:
                replaced.offsets = {offset for offset in replaced.offsets if offset <= max(theirs)}
                found[place] = replaced
        if found:
            self._take_off(topic, found)
        return n_theirs

    def _take_off(self, topic: str, found: Mapping[Place, Found]) -> None:
        with self._deletable(topic):
            for place, each in found.items():
                self._rewriter.await_deletable(place)
                self._rewriter.rewrite(place, each)
                write_records(self._kafka, topic, self._overtaken(place), self._timeout_s)

    def _places(self, topic: str) -> list[Place]:
        return self._reading.places((topic,))

    def _find(self, place: Place, holds: Holds) -> tuple[Found, set[int]]:
        """What was replaced, or takes a key away; and the offsets of those that hold something."""
        last, theirs, replaced = dict[bytes | None, int](), set[int](), Found()
        for message in self._reading.messages(place):
            key, offset = message.key(), cast(int, message.offset())
            replaced.note(message)
            if key in last:
                replaced.offsets.add(last[key])
            if message.value() is None:
                replaced.offsets.add(offset)
            if holds(message.value()):
                theirs.add(offset)
            last[key] = offset
        return replaced, theirs & replaced.offsets

    def _overtaken(self, place: Place) -> list[Record]:
        """Of each key that somebody wrote before a copy came, what they wrote."""
        newest, last = dict[bytes, Message](), dict[bytes, Message]()
        for message in self._reading.messages(place):
            key = message.key() or b""
            last[key] = message
            newest[key] = max(newest.get(key, message), message, key=_written)
        return [(key, message.value()) for key, message in newest.items() if message is not last[key]]

    @contextmanager
    def _deletable(self, topic: str) -> Iterator[None]:
        before = self._settings(topic)
        self._set(topic, DELETABLE)
        try:
            yield
        finally:
            self._set(topic, before)

    def _settings(self, topic: str) -> Settings:
        resource = ConfigResource(ResourceType.TOPIC, topic)
        try:
            described = self._admin.describe_configs([resource], request_timeout=self._timeout_s)[resource].result()
        except KafkaException as error:
            raise self._refused(topic, error) from error
        entries = [described[name] for name in DELETABLE]
        return {entry.name: entry.value if _is_own(entry) else None for entry in entries}

    def _set(self, topic: str, settings: Settings) -> None:
        entries = [_entry(name, value) for name, value in settings.items()]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        try:
            self._admin.incremental_alter_configs([resource], request_timeout=self._timeout_s)[resource].result()
        except KafkaException as error:
            raise self._refused(topic, error) from error

    def _refused(self, topic: str, error: KafkaException) -> KafkaUnavailable:
        why = f"{topic}: its settings cannot be changed: {error.args[0].str()}"
        return KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: {why}")

    def close(self) -> None:
        """Let go of the connections."""
        self._reading.close()


def _is_own(entry: ConfigEntry) -> bool:
    """Whether a setting was made for the topic; the library gives a number."""
    return ConfigSource(entry.source) is ConfigSource.DYNAMIC_TOPIC_CONFIG


def _entry(name: str, value: str | None) -> ConfigEntry:
    change = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    return ConfigEntry(name, value, incremental_operation=change)


def _written(message: Message) -> tuple[int, int]:
    """When a record was written, by its offset or that of the first one it is a copy of; the last copy is the last."""
    offset, first = cast(int, message.offset()), copied_from(headers_of(message))
    return offset if first is None else first, offset
