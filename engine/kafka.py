"""How to reach Kafka, what the topics are called, and that they exist; shared by the worker and the clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import tenacity
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from engine.errors import KafkaUnavailable, SettingsError

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]

REASON_HEADER = "sluice-reason"
DETAIL_HEADER = "sluice-detail"
SOURCE_HEADER = "sluice-source"
DEAD_LETTER_HEADERS = (REASON_HEADER, DETAIL_HEADER, SOURCE_HEADER)
"""Added to a dead letter beside the headers of the original: why, what was wrong, and topic/partition/offset."""


@dataclass(frozen=True)
class Topics:
    """The names of the topics."""

    posts: str = "moderation.posts"
    verdicts: str = "moderation.verdicts"
    reviews: str = "moderation.reviews"
    dead_letters: str = "moderation.dead-letters"

    def all(self) -> tuple[str, ...]:
        """Every topic, the input first."""
        return (self.posts, self.verdicts, self.reviews, self.dead_letters)


@dataclass(frozen=True)
class KafkaConfig:
    """A Kafka cluster and the names of the topics on it.

    Attributes
    ----------
    bootstrap : str
        ``host:port`` pairs, separated by commas.
    security_protocol : str
        ``PLAINTEXT``, ``SSL``, ``SASL_PLAINTEXT`` or ``SASL_SSL``.
    sasl_mechanism : str
        ``PLAIN``, ``SCRAM-SHA-256`` or ``SCRAM-SHA-512``; read only with a ``SASL_`` protocol.
    ca_file : str or None
        PEM of the authority that signed the brokers' certificates; None takes the system's.
    """

    bootstrap: str = "127.0.0.1:9092"
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: str = "PLAIN"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    topics: Topics = Topics()

    @property
    def uses_sasl(self) -> bool:
        """Whether the protocol carries a user name and a password."""
        return self.security_protocol.startswith("SASL_")

    @property
    def uses_tls(self) -> bool:
        """Whether the protocol is encrypted."""
        return self.security_protocol.endswith("SSL")

    def librdkafka(self) -> dict[str, str | int | float | bool]:
        """The same as librdkafka's properties (`CONFIGURATION.md` of librdkafka names them)."""
        properties: dict[str, str | int | float | bool] = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol.lower(),
        }
        if self.uses_sasl:
            properties["sasl.mechanism"] = self.sasl_mechanism
            properties["sasl.username"] = self.sasl_username or ""
            properties["sasl.password"] = self.sasl_password or ""
        if self.ca_file:
            properties["ssl.ca.location"] = self.ca_file
        return properties


N_PARTITIONS = 4
"""Of a topic that Sluice creates; a topic that exists keeps its own."""

MAX_MESSAGE_BYTES = 4 * 2**20
"""Of a topic that Sluice creates, and of what it sends: twice a post's limit, so that a post that is too large still
becomes a dead letter, its headers included. Kafka's own default is 1 MB."""


def ensure_topics(kafka: KafkaConfig, timeout_s: float = 30.0) -> None:
    """Wait for Kafka and create the topics that are missing, with the brokers' default replication.

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
        attempts(_create_missing, admin, kafka)
    except KafkaException as error:
        raise KafkaUnavailable(f"Kafka at {kafka.bootstrap}: {error.args[0].str()}") from error


def is_embedded(kafka: KafkaConfig, timeout_s: float = 10.0) -> bool:
    """Whether the broker is librdkafka's mock cluster, which keeps only 5 MB a partition and drops the rest.

    Raises
    ------
    KafkaUnavailable
        No broker answered.
    """
    cluster_id = _metadata(kafka, timeout_s).cluster_id  # None where the brokers have none
    return bool(cluster_id and cluster_id.startswith("mockCluster"))


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


def _create_missing(admin: AdminClient, kafka: KafkaConfig) -> None:
    """Asking for a topic by name makes the embedded broker create it, which knows no other way."""
    missing = [topic for topic in kafka.topics.all() if admin.list_topics(topic, timeout=2.0).topics[topic].error]
    created = admin.create_topics([_new_topic(topic) for topic in missing]) if missing else {}
    for future in created.values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _new_topic(name: str) -> NewTopic:
    return NewTopic(name, N_PARTITIONS, config={"max.message.bytes": str(MAX_MESSAGE_BYTES)})
