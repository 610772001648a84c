"""What users of the endpoints think the scores should be, and what people decide: kept in a file, a topic, or both."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from confluent_kafka import KafkaException, Producer

from sluice.api.problems import RETRY_S, RequestProblem
from sluice.config import KafkaConfig

DELIVERY_S = 10.0
"""For Kafka to acknowledge a suggestion: whoever made it waits."""


class Sink(Protocol):
    """Where suggestions are kept."""

    async def keep(self, suggestion: bytes, key: bytes | None = None) -> None:
        """Return once it is kept, under a key where there are any; raises `RequestProblem` where it is not."""
        ...


class Feedback:
    """Keeps suggestions.

    Parameters
    ----------
    sinks : sequence of Sink
        All of which get each suggestion; none refuses every suggestion, so that none is lost in silence.
    """

    def __init__(self, sinks: Sequence[Sink] = ()) -> None:
        self._sinks = sinks

    async def keep(self, suggestion: msgspec.Struct, key: bytes | None = None) -> None:
        """Keep a suggestion; raises `RequestProblem` where suggestions are not kept."""
        if not self._sinks:
            raise RequestProblem(501, "not_kept", "nothing is kept here (serve --feedback, --feedback-kafka)")
        encoded = msgspec.json.encode(suggestion)
        for sink in self._sinks:
            await sink.keep(encoded, key)


class FeedbackFile:
    """A file to which one JSON object a line is appended."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = asyncio.Lock()

    async def keep(self, suggestion: bytes, key: bytes | None = None) -> None:
        """See `Sink.keep`; lines have no keys."""
        async with self._lock:
            await asyncio.to_thread(self._append, suggestion + b"\n")

    def _append(self, line: bytes) -> None:
        with self._file.open("ab") as opened:
            opened.write(line)


class FeedbackTopic:
    """A topic: a JSON object a message.

    Parameters
    ----------
    kafka : KafkaConfig
    topic : str
        Its name.
    """

    def __init__(self, kafka: KafkaConfig, topic: str, timeout_s: float = DELIVERY_S) -> None:
        self._topic = topic
        self._timeout_s = timeout_s
        self._producer = Producer(
            {
                **kafka.librdkafka(),
                "enable.idempotence": True,
                "linger.ms": 0,
                "message.timeout.ms": int(timeout_s * 1000),
                "log_level": 0,
            }
        )

    async def keep(self, suggestion: bytes, key: bytes | None = None) -> None:
        """See `Sink.keep`."""
        if not await asyncio.to_thread(self._send, suggestion, key):
            raise RequestProblem(503, "not_kept", "it could not be kept: Kafka did not take it", RETRY_S)

    def _send(self, suggestion: bytes, key: bytes | None) -> bool:
        taken: list[bool] = []  # of errors, one cannot be compared with None
        try:
            self._producer.produce(
                self._topic, suggestion, key, on_delivery=lambda error, _: taken.append(error is None)
            )
        except (BufferError, KafkaException):
            return False
        self._producer.flush(self._timeout_s)
        return taken == [True]
