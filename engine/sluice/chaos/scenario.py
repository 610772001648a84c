"""A stuck head and a kill: what an ordered worker survives, and a worker that acknowledges wrongly does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, TopicPartition

from sluice.chaos.audit import Auditor
from sluice.chaos.report import ScenarioRecord
from sluice.chaos.stage import START_S, Stage
from sluice.chaos.traffic import HEAD_DEADLINE_MS
from sluice.client import Publisher
from sluice.config import KafkaConfig
from sluice.errors import StackError
from sluice.kafka import N_PARTITIONS, ensure_topics
from sluice.local.stack import Stack
from sluice.schema import Media, Post

N_POSTS = 400
N_HEADS = 8
"""Stuck posts: enough that every partition has one at its head."""
SETTLE_S = 30.0
IN_FLIGHT_S = HEAD_DEADLINE_MS / 1000 + 3.0
"""How long an outcome may still come for a post that is acknowledged: a control acknowledges before it scores."""
POLL_S = 0.05


def run_scenario(stage: Stage, name: str, worker: Stack, *, must_lose: bool) -> ScenarioRecord:
    """Publish stuck heads and posts behind them, kill the worker once those are done, start it again, and count.

    Raises
    ------
    StackError
        The worker did not start, or what should have come before the kill did not come.
    """
    kafka = worker.kafka
    ensure_topics(kafka, START_S)
    with worker, Auditor(kafka) as auditor:
        heads = _publish(kafka, [_make_head(stage, name, number) for number in range(N_HEADS)])
        posts = _publish(kafka, [_make_post(name, number) for number in range(N_POSTS)])
        _require(auditor.wait_for(posts, SETTLE_S), f"{name}: posts behind the stuck heads had no outcome")
        if must_lose:
            _wait_for_commit(kafka, worker)
        worker.kill_worker()
        worker.start_worker(START_S)
        _wait_for_outcomes(kafka, auditor, [*heads, *posts])
        n_lost = len(auditor.tally.missing([*heads, *posts]))
    return ScenarioRecord(name, must_lose, len(heads) + len(posts), n_lost)


def _make_head(stage: Stage, name: str, number: int) -> Post:
    return Post(id=f"{name}-head-{number}", images=(Media(stage.silence.url),), deadline_ms=HEAD_DEADLINE_MS)


def _make_post(name: str, number: int) -> Post:
    return Post(id=f"{name}-{number}", text=f"See you at lunch on day {number}.")


def _publish(kafka: KafkaConfig, posts: list[Post]) -> list[str]:
    with Publisher(kafka, store=None) as publisher:
        for post in posts:
            publisher.publish(post)
        publisher.flush()
    return [post.id for post in posts]


def _require(fact: bool, otherwise: str) -> None:
    if not fact:
        raise StackError(otherwise)


def _wait_for_commit(kafka: KafkaConfig, worker: Stack) -> None:
    """Until Kafka holds an offset beyond a stuck head: the mistake that the control is there to make."""
    deadline = time.monotonic() + HEAD_DEADLINE_MS / 1000
    with _consumer(kafka) as consumer:
        while max(_committed(consumer, kafka)) <= 0 and time.monotonic() < deadline:
            worker.check()
            time.sleep(POLL_S)


def _wait_for_outcomes(kafka: KafkaConfig, auditor: Auditor, posts: list[str]) -> None:
    """Until every post has its outcome, or Kafka holds no post that a worker would still read: the rest is lost."""
    deadline = time.monotonic() + SETTLE_S
    with _consumer(kafka) as consumer:
        while not auditor.wait_for(posts, POLL_S) and time.monotonic() < deadline:
            if _all_acknowledged(consumer, kafka):
                auditor.wait_for(posts, IN_FLIGHT_S)
                return


def _all_acknowledged(consumer: Consumer, kafka: KafkaConfig) -> bool:
    partitions = [TopicPartition(kafka.topics.posts, number) for number in range(N_PARTITIONS)]
    ends = [consumer.get_watermark_offsets(partition, timeout=10)[1] for partition in partitions]
    return all(max(offset, 0) >= end for offset, end in zip(_committed(consumer, kafka), ends, strict=True))


@contextmanager
def _consumer(kafka: KafkaConfig) -> Iterator[Consumer]:
    consumer = Consumer({**kafka.librdkafka(), "group.id": kafka.topics.posts, "log_level": 0})
    try:
        yield consumer
    finally:
        consumer.close()


def _committed(consumer: Consumer, kafka: KafkaConfig) -> list[int]:
    partitions = [TopicPartition(kafka.topics.posts, number) for number in range(N_PARTITIONS)]
    return [place.offset for place in consumer.committed(partitions, timeout=10)]
