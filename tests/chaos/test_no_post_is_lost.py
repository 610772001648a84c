"""What a crash must not cost: every post has its outcome, whatever dies in between."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from engine.client import Outcomes, Publisher
from engine.kafka import KafkaConfig
from engine.local.stack import Stack, StackConfig
from engine.schema import Media, Post
from engine.settings import TRITON_REPO

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

N_POSTS = 2_000
HEAD_DEADLINE_MS = 5_000
QUICK_TO_NOTICE = {
    "SLUICE_SESSION_TIMEOUT_S": "6",
    "SLUICE_DEADLINE_MS": str(HEAD_DEADLINE_MS),
    "SLUICE_MAX_DEADLINE_MS": str(HEAD_DEADLINE_MS),
    "SLUICE_MEDIA_ALLOW_PRIVATE": "1",
}
"""A dead worker's partitions come back after the session time-out: Kafka takes nothing below 6 s."""


@contextmanager
def silent_server() -> Iterator[str]:
    """Serve HTTP without ever answering; gives the URL."""
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            release.wait()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/never.png"
    finally:
        release.set()
        server.shutdown()


class Reader:
    """Collects outcomes by post id."""

    def __init__(self, kafka: KafkaConfig) -> None:
        self._outcomes = Outcomes(kafka, start="beginning")
        self.seen: Counter[str] = Counter()
        self.n_dead_letters = 0

    def read_until(self, enough: Callable[[], bool], stack: Stack) -> None:
        """Read until `enough`; a server that dies by itself fails the test."""
        while not enough():
            for outcome in self._outcomes.poll(0.5):
                self.seen[(outcome.key or b"").decode()] += 1
                self.n_dead_letters += outcome.kind == "dead_letter"
            stack.check()


def publish(kafka: KafkaConfig, posts: list[Post]) -> None:
    with Publisher(kafka, store=None) as publisher:
        for post in posts:
            publisher.publish(post)
        publisher.flush()


def plain_posts(n_posts: int = N_POSTS) -> list[Post]:
    return [Post(id=f"p-{i}", text=f"see you at lunch on day {i}") for i in range(n_posts)]


def committed(kafka: KafkaConfig, group: str = "sluice") -> dict[int, int]:
    """Offset per partition that the group has committed, -1001 for none."""
    consumer = Consumer({**kafka.librdkafka(), "group.id": group})
    partitions = [TopicPartition(kafka.topics.posts, number) for number in range(4)]
    try:
        return {one.partition: one.offset for one in consumer.committed(partitions, timeout=10)}
    finally:
        consumer.close()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    config = StackConfig(
        state_dir=tmp_path, triton_repo=TRITON_REPO, broker="kafka", worker_environment=QUICK_TO_NOTICE
    )
    with Stack(config) as stack:
        yield stack


def test_a_killed_worker_with_a_stuck_head_loses_nothing(stack: Stack) -> None:
    posts = plain_posts()
    reader = Reader(stack.kafka)
    with silent_server() as url:
        publish(stack.kafka, [Post(id="head", images=(Media(url),), deadline_ms=HEAD_DEADLINE_MS), *posts])
        reader.read_until(lambda: len(reader.seen) >= N_POSTS // 4, stack)
        assert "head" not in reader.seen, "the head was to be stuck while the others went on"
        stack.kill_worker()
        head_partition = [number for number, offset in committed(stack.kafka).items() if offset <= 0]
        assert head_partition, "no partition waits for its head: finished posts were committed past it"
        stack.start_worker()
        expected = {"head", *(post.id for post in posts)}
        reader.read_until(lambda: expected <= set(reader.seen), stack)
    assert set(reader.seen) == expected
    assert reader.n_dead_letters == 0


def test_without_a_fault_there_is_one_verdict_per_post(stack: Stack) -> None:
    posts = plain_posts()
    reader = Reader(stack.kafka)
    publish(stack.kafka, posts)
    reader.read_until(lambda: len(reader.seen) >= len(posts), stack)
    assert reader.seen == Counter(post.id for post in posts)


def test_an_outage_of_triton_is_waited_out(stack: Stack) -> None:
    posts = plain_posts()
    reader = Reader(stack.kafka)
    publish(stack.kafka, posts)
    reader.read_until(lambda: len(reader.seen) >= N_POSTS // 10, stack)
    stack.restart_triton()
    reader.read_until(lambda: len(reader.seen) >= len(posts), stack)
    assert set(reader.seen) == {post.id for post in posts}
    assert reader.n_dead_letters == 0


def test_an_outage_of_kafka_is_waited_out(stack: Stack) -> None:
    posts = plain_posts()
    reader = Reader(stack.kafka)
    publish(stack.kafka, posts)
    reader.read_until(lambda: len(reader.seen) >= N_POSTS // 10, stack)
    stack.restart_broker()
    reader.read_until(lambda: len(reader.seen) >= len(posts), stack)
    assert set(reader.seen) == {post.id for post in posts}
    assert reader.n_dead_letters == 0
