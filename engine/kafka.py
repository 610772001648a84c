"""How to reach Kafka, and what the topics are called; shared by the worker and the clients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]

REASON_HEADER = "sluice-reason"
DETAIL_HEADER = "sluice-detail"
SOURCE_HEADER = "sluice-source"
DEAD_LETTER_HEADERS = (REASON_HEADER, DETAIL_HEADER, SOURCE_HEADER)
"""Added to a dead letter beside the headers of the original: why, what was wrong, and topic/partition/offset."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of the topics."""

    posts: str = "moderation.posts"
    verdicts: str = "moderation.verdicts"
    reviews: str = "moderation.reviews"
    dead_letters: str = "moderation.dead-letters"

    def all(self) -> tuple[str, ...]:
        """Every topic, the input first."""
        return (self.posts, self.verdicts, self.reviews, self.dead_letters)


@dataclass(frozen=True, slots=True)
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
