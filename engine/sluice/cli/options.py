"""Options that several commands have."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sluice.config import KafkaConfig
    from sluice.media.store import MediaStore


class BrokerChoice(StrEnum):
    """Which broker the stack starts."""

    embedded = "embedded"
    kafka = "kafka"


KafkaOption = Annotated[
    str | None,
    typer.Option("--kafka", metavar="HOST:PORT", help="Kafka to use; default: SLUICE_KAFKA."),
]
StackKafkaOption = Annotated[
    str | None, typer.Option("--kafka", metavar="HOST:PORT", help="Use this Kafka instead of starting a broker.")
]
TritonOption = Annotated[
    str | None,
    typer.Option("--triton", metavar="HOST:PORT", help="Use this Triton (gRPC) instead of starting one."),
]
BrokerOption = Annotated[
    BrokerChoice,
    typer.Option("--broker", help="embedded: in memory, keeps little. kafka: Apache Kafka, needs Java and Maven."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="JSON lines on standard output; the default when that is not a terminal.")
]


MAX_CONNECT_S = 10.0
"""A person waits; a worker may wait longer for its Kafka."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a command finds Kafka and puts media.

    Attributes
    ----------
    timeout_s : float
        How long to wait for Kafka's first answer.
    """

    kafka: KafkaConfig
    media_store: str
    timeout_s: float

    def recognised(self) -> Connection:
        """The same, with what Kafka says of itself; raises `KafkaUnavailable` if it does not answer."""
        from sluice.kafka import recognise

        return dataclasses.replace(self, kafka=recognise(self.kafka, self.timeout_s))

    def open_store(self) -> MediaStore:
        """The media store; raises `SettingsError` if it is none."""
        from sluice.errors import SettingsError
        from sluice.media.store import open_store

        try:
            return open_store(self.media_store)
        except (ImportError, OSError, ValueError) as error:
            raise SettingsError(f"SLUICE_MEDIA_STORE: {self.media_store}: {error}") from error


def resolve_connection(bootstrap: str | None) -> Connection:
    """What the environment's settings say, with Kafka at another address if one is given."""
    from sluice.settings import load_settings

    settings = load_settings(os.environ)
    kafka = dataclasses.replace(settings.kafka, bootstrap=bootstrap) if bootstrap else settings.kafka
    return Connection(kafka, settings.media_store, min(settings.start_timeout_s, MAX_CONNECT_S))
