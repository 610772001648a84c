"""How to reach Kafka, what the topics are called, and that they exist; shared by the worker and the clients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import tenacity
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable, SettingsError
from sluice.topics import FOREVER_MS

REASON_HEADER = "sluice-reason"
DETAIL_HEADER = "sluice-detail"
SOURCE_HEADER = "sluice-source"
LEFT_OUT_HEADER = "sluice-left-out"
REDRIVEN_HEADER = "sluice-redriven"
"""On a message that was a dead letter and was published again: how often. It travels with the message."""

COPIED_HEADER = "sluice-copied"
"""On a message that was written once more because others before it were erased: where the first one lay, as
partition/offset. Its bytes are the same."""

COPIED_TIME_HEADER = "sluice-copied-time"
"""On the same: when the first one was written, in milliseconds since the epoch; a topic may have the brokers' times."""

DEAD_LETTER_HEADERS = (REASON_HEADER, DETAIL_HEADER, SOURCE_HEADER, LEFT_OUT_HEADER)
"""Added to a dead letter beside the headers of the original: why, what was wrong, and topic/partition/offset. The last
stands there once for each part of the original that its topic had no room for."""

N_PARTITIONS = 4
"""Of a topic that Sluice creates; a topic that exists keeps its own."""

DAY_MS = 86_400_000
"""After so long what was erased or replaced leaves the brokers' disks, in topics that Sluice creates."""

MAX_MESSAGE_BYTES = 4 * 2**20
"""Of a topic that Sluice creates, and of what it sends: twice a post's limit, so that a post that is too large still
becomes a dead letter, its headers included. Kafka's own default is 1 MB."""


def copied_from(headers: Sequence[tuple[str, bytes | None]]) -> int | None:
    """The offset at which a message lay first, in the same partition; None for one that is no copy."""
    places = [value for name, value in headers if name == COPIED_HEADER and value is not None]
    offset = places[0].rpartition(b"/")[2] if places else b""
    return int(offset) if offset.isdigit() else None


def ensure_topics(kafka: KafkaConfig, timeout_s: float = 30.0, names: Sequence[str] | None = None) -> None:
    """Wait for Kafka and create the topics that are missing, with the brokers' default replication.

    Parameters
    ----------
    names : sequence of str or None
        Which; None for all that the worker needs.

    Raises
    ------
    KafkaUnavailable
        No broker answered, or a topic could not be created, before `timeout_s`.
    SettingsError
        librdkafka refuses the settings: a CA file that is not there, say.
    """
    admin = _admin(kafka)
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(KafkaException),
        wait=tenacity.wait_exponential(multiplier=0.1, max=2.0),
        stop=tenacity.stop_after_delay(timeout_s),
        reraise=True,
    )
    try:
        attempts(_create_missing, admin, names or kafka.topics.all(), kafka)
    except KafkaException as error:
        raise KafkaUnavailable(f"Kafka at {kafka.bootstrap}: {error.args[0].str()}") from error


class TopicIds:
    """Asks the brokers for the ids of topics, over one connection."""

    def __init__(self, kafka: KafkaConfig, timeout_s: float = 10.0) -> None:
        self._kafka = kafka
        self._timeout_s = timeout_s
        self._admin = _admin(kafka)

    def read(self, topic: str) -> str | None:
        """The topic's id, which a topic made anew under the same name does not share; None if there is no such topic.

        Raises
        ------
        KafkaUnavailable
            No broker answered, or none may tell.
        """
        described = self._admin.describe_topics(TopicCollection([topic]), request_timeout=self._timeout_s)[topic]
        try:
            return str(described.result().topic_id)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: {error.args[0].str()}") from error


class TopicNames:
    """Reads the names of the topics that there are, over one connection.

    Parameters
    ----------
    kafka : KafkaConfig
    timeout_s : float
        For each read.
    """

    def __init__(self, kafka: KafkaConfig, timeout_s: float = 2.0) -> None:
        self._kafka = kafka
        self._timeout_s = timeout_s
        self._admin = _admin(kafka)

    def read(self) -> set[str]:
        """Names of the topics; raises `KafkaUnavailable` if no broker answers."""
        try:
            return set(self._admin.list_topics(timeout=self._timeout_s).topics)
        except KafkaException as error:
            raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap}: {error.args[0].str()}") from error


def recognise(kafka: KafkaConfig, timeout_s: float = 10.0) -> KafkaConfig:
    """The configuration with `KafkaConfig.embedded` set where the broker is librdkafka's mock cluster.

    The one place that finds this out, for those who were given an address and nothing more.

    Raises
    ------
    KafkaUnavailable
        No broker answered.
    """
    cluster_id = _metadata(kafka, timeout_s).cluster_id  # None where the brokers have none
    return replace(kafka, embedded=bool(cluster_id and cluster_id.startswith("mockCluster")))


def _metadata(kafka: KafkaConfig, timeout_s: float) -> Any:
    try:
        return _admin(kafka).list_topics(timeout=timeout_s)
    except KafkaException as error:
        raise KafkaUnavailable(f"Kafka at {kafka.bootstrap}: {error.args[0].str()}") from error


def _admin(kafka: KafkaConfig) -> AdminClient:
    """Log lines of librdkafka about brokers that are not up yet would drown the error that follows."""
    try:
        return AdminClient({**kafka.librdkafka(), "log_level": 0})
    except KafkaException as error:
        raise SettingsError(f"the settings for Kafka at {kafka.bootstrap}: {error.args[0].str()}") from error


def _create_missing(admin: AdminClient, names: Sequence[str], kafka: KafkaConfig) -> None:
    """Asking for a topic by name makes the embedded broker create it, which knows no other way."""
    missing = [topic for topic in names if admin.list_topics(topic, timeout=2.0).topics[topic].error]
    created = admin.create_topics([_new_topic(topic, kafka) for topic in missing]) if missing else {}
    for future in created.values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _new_topic(name: str, kafka: KafkaConfig) -> NewTopic:
    config = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
    if name in kafka.topics.compacted():
        compacted = {"cleanup.policy": "compact", "max.compaction.lag.ms": str(DAY_MS)}
        return NewTopic(name, 1, config={**config, **compacted})  # one partition: its records have one order
    if name == kafka.topics.audit:  # one order too, and for ever if nobody says otherwise
        keep_ms = dict(kafka.retention_ms).get(name, FOREVER_MS)
        return NewTopic(name, 1, config={**config, **_retention(keep_ms)})
    if name == kafka.topics.reports:  # when somebody reported is what the broker says, not a clock that may be wrong
        config["message.timestamp.type"] = "LogAppendTime"
    return NewTopic(name, N_PARTITIONS, config={**config, **_retention(dict(kafka.retention_ms).get(name))})


def _retention(keep_ms: int | None) -> dict[str, str]:
    """Kafka deletes whole segments, and never the one that is written to: so segments end in time, too."""
    if keep_ms is None:
        return {}
    segment_ms = min(keep_ms, DAY_MS) if keep_ms > 0 else DAY_MS
    return {"retention.ms": str(keep_ms), "segment.ms": str(segment_ms)}
