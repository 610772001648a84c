"""Compares, publishes and counts, until it is told to stop."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import msgspec
from confluent_kafka import KafkaError, Message, Producer
from prometheus_client import CollectorRegistry, Counter

from sluice.backtest.changes import Changes, Said
from sluice.config import KafkaConfig
from sluice.schema import PostKey, Verdict
from sluice.shadow.record import make_record
from sluice.shadow.sources import Compared

logger = logging.getLogger(__name__)

FLUSH_S = 10.0
"""For Kafka to take what is on the way when it ends."""
N_KNOWN = 100_000
"""Ids of posts that are remembered: after a crash a post may have a second verdict, seconds later."""
FULL_S = 0.1
"""Between two tries while the producer's queue is full: then nothing more is read."""


class ShadowMetrics:
    """What Prometheus sees of it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.posts = Counter("sluice_shadow_posts", "Posts, by both decisions.", ("live", "shadow"), registry=registry)
        self.unpublished = Counter(
            "sluice_shadow_unpublished", "Comparisons that Kafka did not take.", registry=registry
        )


class Comparison:
    """A context manager; on leaving it waits until Kafka has what was published.

    Parameters
    ----------
    kafka : KafkaConfig
        Its shadow topic is written to.
    metrics : ShadowMetrics

    Attributes
    ----------
    changes : Changes
        All that was compared.
    """

    def __init__(self, kafka: KafkaConfig, metrics: ShadowMetrics) -> None:
        self.changes = Changes()
        self._known: dict[PostKey, None] = {}
        self._metrics = metrics
        self._topic = kafka.topics.shadow
        self._producer = Producer({**kafka.librdkafka(), "enable.idempotence": True, "linger.ms": 20, "log_level": 0})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if n_left := self._producer.flush(FLUSH_S):
            logger.warning("%d comparisons were not published: Kafka did not take them within %g s", n_left, FLUSH_S)
            self._metrics.unpublished.inc(n_left)

    def run(self, compared: Iterable[Compared]) -> None:
        """Take everything that comes."""
        for verdict, said in compared:
            self.note(verdict, said)

    def note(self, verdict: Verdict, said: Said) -> None:
        """Count and publish one comparison; of a post's verdicts only the first one."""
        if self._is_known((verdict.tenant, verdict.post_id)):
            self.changes.n_repeated += 1
            return
        self.changes.note(verdict, said)
        self._metrics.posts.labels(verdict.decision, said.decision).inc()
        self._publish(verdict.post_id.encode(), msgspec.json.encode(make_record(verdict, said)))

    def _is_known(self, post: PostKey) -> bool:
        is_known = post in self._known
        self._known[post] = None
        if len(self._known) > N_KNOWN:
            del self._known[next(iter(self._known))]
        return is_known

    def _publish(self, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._note_delivery)
            except BufferError:
                self._producer.poll(FULL_S)
            else:
                self._producer.poll(0)
                return

    def _note_delivery(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._metrics.unpublished.inc()
            logger.warning("a comparison was not published: %s", error.name())
