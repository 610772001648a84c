"""Reports from users: what they say of a post or its author, published for the history to count."""

from __future__ import annotations

import uuid
from typing import Annotated

import msgspec
from confluent_kafka import KafkaException, Producer

from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable
from sluice.schema import Id
from sluice.strict_json import read_json

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a publisher sends on ``moderation.reports`` when somebody reports an author. Unknown fields are ignored.

    Attributes
    ----------
    author_id : str
        Who is reported, as posts name them.
    tenant : str or None
        In whose community, as posts name it.
    id : str
        Of the report; the same one twice counts once.
    reporter_id : str or None
        Who reports: several reports of one person count as one. Without it each counts.
    post_id : str or None
        About which post.
    reason : str or None
        In words of your own.
    """

    author_id: Word
    tenant: Word | None = None
    id: Id = msgspec.field(default_factory=lambda: uuid.uuid4().hex)
    reporter_id: Word | None = None
    post_id: Id | None = None
    reason: Word | None = None


class ReceivedReport(Report, frozen=True, kw_only=True):
    """A report as it was read: without an id where it came without one."""

    id: Id | None = None  # type: ignore[assignment]


_DECODER = msgspec.json.Decoder(ReceivedReport)
_ENCODER = msgspec.json.Encoder()


def decode_report(raw: bytes) -> ReceivedReport:
    """Read a report; raises `msgspec.DecodeError`."""
    return read_json(_DECODER.decode, raw)


class ReportPublisher:
    """Publishes reports, each acknowledged by all replicas before `publish` returns. For several threads.

    Parameters
    ----------
    kafka : KafkaConfig
    timeout_s : float
        For the brokers to acknowledge one.
    """

    def __init__(self, kafka: KafkaConfig, timeout_s: float = 10.0) -> None:
        self._kafka = kafka
        self._timeout_s = timeout_s
        self._producer = Producer({
            **kafka.librdkafka(), "acks": "all", "enable.idempotence": not kafka.embedded, "linger.ms": 0,
            "message.timeout.ms": int(timeout_s * 1000), "log_level": 0,
        })  # fmt: skip

    def publish(self, report: Report) -> None:
        """Send one report; its time is now.

        Raises
        ------
        KafkaUnavailable
            It was not acknowledged in time.
        """
        taken: list[bool] = []
        try:
            value = _ENCODER.encode(report)
            self._producer.produce(
                self._kafka.topics.reports,
                value,
                report.id.encode(),
                on_delivery=lambda error, _: taken.append(error is None),
            )
            self._producer.flush(self._timeout_s + 1.0)
        except (BufferError, KafkaException) as error:
            raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap} did not take a report") from error
        if taken != [True]:
            raise KafkaUnavailable(f"Kafka at {self._kafka.bootstrap} did not take a report")
