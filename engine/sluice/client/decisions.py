"""Publishes what people decide about posts that have a verdict."""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType

import msgspec

from sluice.client.publisher import Publisher
from sluice.config import KafkaConfig
from sluice.human_decision import HumanDecision


class DecisionPublisher:
    """Publishes what people decide; not safe for several threads.

    Parameters
    ----------
    kafka : KafkaConfig
        Its topic of decisions is written to.
    """

    def __init__(self, kafka: KafkaConfig) -> None:
        self._publisher = Publisher(replace(kafka, topics=replace(kafka.topics, posts=kafka.topics.decisions)))

    def publish(self, decision: HumanDecision) -> None:
        """Send one; raises `PublishError` if an earlier one did not arrive."""
        self._publisher.publish_bytes(msgspec.json.encode(decision), decision.post_id.encode())

    def close(self) -> None:
        """Wait until all have arrived; raises `PublishError` if one did not."""
        self._publisher.close()

    def __enter__(self) -> DecisionPublisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
