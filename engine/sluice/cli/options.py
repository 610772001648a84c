"""Options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class BrokerChoice(StrEnum):
    """Which broker the stack starts."""

    embedded = "embedded"
    kafka = "kafka"


KafkaOption = Annotated[
    str | None,
    typer.Option("--kafka", metavar="HOST:PORT", help="Kafka to use; default: SLUICE_KAFKA, else that of sluice up."),
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
