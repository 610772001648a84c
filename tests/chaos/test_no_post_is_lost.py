"""What a crash must not cost: every post has its outcome, whatever dies in between."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from sluice.chaos.run import name_topics
from sluice.client import Outcomes, Publisher
from sluice.config import KafkaConfig
from sluice.kafka import N_PARTITIONS
from sluice.local.kafka import NativeKafka
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Media, Post

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

N_POSTS = 2_000
START_S = 60.0
HEAD_DEADLINE_MS = 5_000
QUICK_TO_NOTICE = {
    "SLUICE_SESSION_TIMEOUT_S": "6",
    "SLUICE_DEADLINE_MS": str(HEAD_DEADLINE_MS),
    "SLUICE_MAX_DEADLINE_MS": str(HEAD_DEADLINE_MS),
    "SLUICE_MEDIA_ALLOW_PRIVATE": "1",
    "SLUICE_MAX_AHEAD": "600",
}
"""A dead worker's partitions come back after the session time-out: Kafka takes nothing below 6 s. The bound on posts
ahead is below the number of posts, so that one that leaked would bring everything to a halt."""


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

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._outcomes = Outcomes(servers.topics, start="beginning")
        self.seen: Counter[str] = Counter()
        self.n_dead_letters = 0

    def read(self, n_posts: int) -> None:
        """Read until so many posts have an outcome; a worker that dies by itself fails the test."""
        while len(self.seen) < n_posts:
            for outcome in self._outcomes.poll(0.5):
                self.seen[(outcome.key or b"").decode()] += 1
                self.n_dead_letters += outcome.kind == "dead_letter"
            self._servers.worker.check()

    def read_all(self, posts: list[Post]) -> None:
        """Read until there are as many outcomes as posts, and see that they are theirs."""
        self.read(len(posts))
        assert set(self.seen) == {post.id for post in posts}


def publish(servers: Servers, posts: list[Post]) -> None:
    with Publisher(servers.topics, store=None) as publisher:
        for post in posts:
            publisher.publish(post)
        publisher.flush()


def plain_posts(n_posts: int = N_POSTS) -> list[Post]:
    return [Post(id=f"p-{i}", text=f"see you at lunch on day {i}") for i in range(n_posts)]


@contextmanager
def asking_for_commits(servers: Servers) -> Iterator[Callable[[], dict[int, int]]]:
    """Asks for the offset per partition that the group has committed, -1001 for none."""
    kafka = servers.topics
    consumer = Consumer({**kafka.librdkafka(), "group.id": servers.group})
    partitions = [TopicPartition(kafka.topics.posts, number) for number in range(N_PARTITIONS)]
    try:
        yield lambda: {one.partition: one.offset for one in consumer.committed(partitions, timeout=10)}
    finally:
        consumer.close()


@dataclass
class Servers:
    """Kafka and Triton, each on its own, and a worker between them, on topics that no other test has."""

    kafka: NativeKafka
    triton: TritonServer
    topics: KafkaConfig
    folder: Path

    def __post_init__(self) -> None:
        self.worker = self.make_worker("worker")

    @property
    def group(self) -> str:
        """Of the workers."""
        return self.topics.topics.posts

    def make_worker(self, name: str) -> Stack:
        """One more worker of the same group, not started."""
        environment = {**QUICK_TO_NOTICE, "SLUICE_GROUP": self.group}
        return Stack(
            StackConfig(
                self.folder / name, triton_repository(), kafka=self.topics, triton=self.triton.address,
                worker_environment=environment,
            )
        )  # fmt: skip


@pytest.fixture
def kafka(kafka_broker: NativeKafka, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NativeKafka]:
    """One node for all tests, which runs again if one before failed after a kill; or a cluster of the test's own."""
    n_brokers = getattr(request, "param", 1)
    if n_brokers == 1:
        if kafka_broker.pids == [None]:
            kafka_broker.start_broker(0)
        yield kafka_broker
        return
    with NativeKafka(tmp_path, n_brokers) as cluster:
        cluster.wait_until_ready(START_S)
        yield cluster


@pytest.fixture
def triton(triton_server: TritonServer) -> TritonServer:
    """The one for all tests, running again if a test before failed between a kill and a start."""
    if triton_server.pid is None:
        triton_server.start()
    triton_server.wait_until_ready(START_S)
    return triton_server


@pytest.fixture
def servers(kafka: NativeKafka, triton: TritonServer, tmp_path: Path) -> Iterator[Servers]:
    topics = replace(kafka.kafka, topics=name_topics(tmp_path.name))
    servers = Servers(kafka, triton, topics, tmp_path)
    with servers.worker:
        yield servers


def test_without_a_fault_there_is_one_verdict_per_post(servers: Servers) -> None:
    posts = plain_posts()
    reader = Reader(servers)
    publish(servers, posts)
    reader.read_all(posts)
    assert reader.seen == Counter(post.id for post in posts)


def test_a_killed_worker_with_a_stuck_head_loses_nothing(servers: Servers) -> None:
    posts = plain_posts()
    reader = Reader(servers)
    with silent_server() as url, asking_for_commits(servers) as committed:
        committed()  # to find the group's broker takes seconds on a young Kafka: the head is not to be late meanwhile
        head = Post(id="head", images=(Media(url),), deadline_ms=HEAD_DEADLINE_MS)
        publish(servers, [head, *posts])
        reader.read(N_POSTS // 4)
        offsets = committed()
        while sum(offset > 0 for offset in offsets.values()) < N_PARTITIONS - 1:
            offsets = committed()
        assert "head" not in reader.seen, "the head was to be stuck while the others went on"
        assert min(offsets.values()) <= 0, f"finished posts were committed past the stuck head: {offsets}"
        servers.worker.kill_worker()
        servers.worker.start_worker()
        reader.read_all([head, *posts])
    assert reader.n_dead_letters == 0


def test_an_outage_of_triton_is_waited_out(servers: Servers) -> None:
    posts = plain_posts()
    reader = Reader(servers)
    publish(servers, posts)
    reader.read(N_POSTS // 10)
    servers.triton.kill()
    servers.triton.start()
    reader.read_all(posts)
    assert reader.n_dead_letters == 0


def test_an_outage_of_kafka_is_waited_out(servers: Servers) -> None:
    posts = plain_posts()
    reader = Reader(servers)
    publish(servers, posts)
    reader.read(N_POSTS // 10)
    servers.kafka.kill_broker(0)
    servers.kafka.start_broker(0)
    reader.read_all(posts)
    assert reader.n_dead_letters == 0


@pytest.mark.parametrize("kafka", [3], indirect=True)
def test_a_killed_broker_of_three_loses_nothing(servers: Servers) -> None:
    posts = plain_posts()
    reader = Reader(servers)
    publish(servers, posts)
    reader.read(N_POSTS // 10)
    servers.kafka.kill_broker(1)
    reader.read_all(posts)
    assert reader.n_dead_letters == 0


def test_a_worker_that_is_asked_to_stop_during_an_outage_leaves_and_loses_nothing(servers: Servers) -> None:
    posts = plain_posts()
    reader = Reader(servers)
    publish(servers, posts)
    reader.read(N_POSTS // 10)
    servers.triton.kill()
    servers.worker.stop()
    servers.triton.start()
    servers.triton.wait_until_ready(START_S)
    servers.worker.start_worker()
    reader.read_all(posts)
    assert reader.n_dead_letters == 0


def test_workers_that_come_and_go_lose_nothing(servers: Servers) -> None:
    posts = plain_posts()
    reader = Reader(servers)
    publish(servers, posts)
    reader.read(N_POSTS // 10)
    with servers.make_worker("another"):
        reader.read(N_POSTS // 2)
    reader.read_all(posts)
    assert reader.n_dead_letters == 0
