"""Offsets that jump: every post is read, or is said to be skipped. On a real Kafka."""

from __future__ import annotations

import struct
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic
from prometheus_client.parser import text_string_to_metric_families

from sluice.client import Outcomes
from sluice.config import KafkaConfig, Topics
from sluice.kafka import ensure_topics
from sluice.local.kafka import NativeKafka
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from tests.components import wait_for

READ_WITHIN_S = 30.0
GAP = 200_000_000
MAX_GROWTH_BYTES = 200_000_000
"""Of a worker over a gap; Faust's own list of its offsets would take 7 GB."""

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


class Stage:
    """Topics of one test, whose posts lie in partition 0, and a worker for them."""

    def __init__(self, kafka: KafkaConfig, triton: str, folder: Path, name: str) -> None:
        posts, verdicts, reviews, dead_letters = (f"{name}.{kind}" for kind in ("p", "v", "r", "d"))
        self.kafka = KafkaConfig(kafka.bootstrap, topics=Topics(posts, verdicts, reviews, dead_letters))
        self.group, self.posts = name, posts
        self.admin = AdminClient(self.kafka.librdkafka())
        self.n_sent = 0
        self._triton, self._folder = triton, folder
        ensure_topics(self.kafka)

    @contextmanager
    def worker(self) -> Iterator[Stack]:
        config = StackConfig(
            self._folder,
            triton_repository(),
            kafka=self.kafka,
            triton=self._triton,
            worker_environment={"SLUICE_GROUP": self.group},
        )
        with Stack(config) as stack:
            yield stack
            stack.check()

    def send(self, n_posts: int, partition: int = 0) -> set[str]:
        """Publish posts with new ids; returns those."""
        producer = Producer(self.kafka.librdkafka())
        sent = {f"{self.group}-{self.n_sent + n}" for n in range(n_posts)}
        self.n_sent += n_posts
        for identifier in sorted(sent):
            value = f'{{"id": "{identifier}", "text": "Good morning!"}}'
            producer.produce(self.posts, value, identifier, partition=partition)
        assert producer.flush(30) == 0
        return sent

    def committed(self) -> int:
        consumer = Consumer({**self.kafka.librdkafka(), "group.id": self.group})
        (found,) = consumer.committed([TopicPartition(self.posts, 0)], timeout=10)
        consumer.close()
        return int(found.offset)

    def commit(self, offset: int) -> None:
        consumer = Consumer({**self.kafka.librdkafka(), "group.id": self.group})
        consumer.commit(offsets=[TopicPartition(self.posts, 0, offset)], asynchronous=False)
        consumer.close()

    def wait_until_committed(self, offset: int) -> None:
        wait_for(lambda: self.committed() == offset, f"a committed offset of {offset}")

    def delete_posts_topic(self) -> None:
        self.admin.delete_topics([self.posts])[self.posts].result(30)
        wait_for(lambda: self.posts not in self.admin.list_topics(timeout=10).topics, "the topic to be gone")

    def make_posts_topic(self) -> None:
        wait_for(self._try_to_make, "the topic to be made anew")

    def _try_to_make(self) -> bool:
        return self.admin.create_topics([NewTopic(self.posts, 4)])[self.posts].exception(30) is None

    def log(self) -> str:
        return (self._folder / "worker.log").read_text()


class Reader:
    """Which posts have a verdict."""

    def __init__(self, kafka: KafkaConfig) -> None:
        self._outcomes = Outcomes(kafka, start="beginning")
        self.seen: list[str] = []

    def wait_for(self, ids: set[str], patience_s: float = READ_WITHIN_S) -> None:
        def ask() -> bool:
            self.seen += [outcome.verdict().post_id for outcome in self._outcomes.poll(0.5)]
            return ids <= set(self.seen)

        wait_for(ask, f"verdicts of {len(ids)} posts", patience_s)

    def wait_for_verdicts(self, n_verdicts: int) -> None:
        """Counts second verdicts of a post too."""

        def ask() -> bool:
            self.seen += [outcome.verdict().post_id for outcome in self._outcomes.poll(0.5)]
            return len(self.seen) >= n_verdicts

        wait_for(ask, f"{n_verdicts} verdicts", READ_WITHIN_S)

    def wait_for_number(self, n_posts: int) -> None:
        """Fails also if there are more."""

        def ask() -> bool:
            self.seen += [outcome.verdict().post_id for outcome in self._outcomes.poll(0.5)]
            return len(set(self.seen)) >= n_posts

        wait_for(ask, f"{n_posts} posts", READ_WITHIN_S)
        assert len(set(self.seen)) == n_posts

    def close(self) -> None:
        self._outcomes.close()


def read_metric(stack: Stack, name: str) -> dict[str, float]:
    """Values by partition."""
    with urllib.request.urlopen(f"{stack.addresses.metrics}/metrics", timeout=10) as page:
        families = text_string_to_metric_families(page.read().decode())
    return {one.labels["partition"]: one.value for family in families for one in family.samples if one.name == name}


@pytest.fixture
def stage(
    kafka_broker: NativeKafka, triton_server: TritonServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Stage:
    name = request.node.name.removeprefix("test_").replace("[", "-").replace("]", "")
    return Stage(kafka_broker.kafka, triton_server.address, tmp_path, name[:60])


@pytest.fixture
def reader(stage: Stage) -> Iterator[Reader]:
    reader = Reader(stage.kafka)
    yield reader
    reader.close()


@pytest.mark.parametrize("n_new", [10, 60])
def test_a_topic_made_anew_is_read_from_its_start(stage: Stage, reader: Reader, n_new: int) -> None:
    """Also where the new topic has more posts than were read of the old one: it would be read on in the middle."""
    with stage.worker():
        reader.wait_for(stage.send(30))
        stage.wait_until_committed(30)
        stage.delete_posts_topic()
        stage.make_posts_topic()
        reader.wait_for(stage.send(n_new), 2 * READ_WITHIN_S)
        stage.wait_until_committed(n_new)


@pytest.mark.parametrize("behind", [False, True])
def test_a_committed_offset_that_is_not_there_any_more(stage: Stage, reader: Reader, behind: bool) -> None:
    """A committed offset beyond the end: all is read again. One below the start: what is gone is counted."""
    sent = stage.send(30)
    stage.commit(5 if behind else 1000)
    if behind:
        place = TopicPartition(stage.posts, 0, 12)
        stage.admin.delete_records([place])[TopicPartition(stage.posts, 0)].result(30)
    with stage.worker() as stack:
        reader.wait_for({f"{stage.group}-{n}" for n in range(30)} if not behind else set(sorted(sent)[12:]))
        stage.wait_until_committed(30)
        skipped = read_metric(stack, "sluice_posts_skipped_total")
    assert skipped == ({"0": 7.0} if behind else {})
    assert ("offsets 5 to 11 were never read" in stage.log()) is behind
    assert ("offset 1000 is not there" in stage.log()) is not behind


def test_retention_that_overtakes_a_running_worker(stage: Stage, reader: Reader) -> None:
    with stage.worker() as stack:
        reader.wait_for(stage.send(10))
        stage.wait_until_committed(10)
        worker = psutil.Process(stack.worker_pid)
        worker.suspend()
        stage.send(20)
        stage.admin.delete_records([TopicPartition(stage.posts, 0, 30)])[TopicPartition(stage.posts, 0)].result(30)
        kept = stage.send(5)
        worker.resume()
        reader.wait_for(kept)
        stage.wait_until_committed(35)
        n_skipped = int(read_metric(stack, "sluice_posts_skipped_total").get("0", 0))
    reader.wait_for_number(35 - n_skipped)


def test_added_partitions_are_read(stage: Stage, reader: Reader) -> None:
    with stage.worker():
        reader.wait_for(stage.send(5))
        stage.admin.create_partitions([NewPartitions(stage.posts, 6)])[stage.posts].result(30)
        reader.wait_for(stage.send(5, partition=5))


def test_the_lag_returns_to_0_behind_transactions_and_aborted_posts_are_not_scored(
    stage: Stage, reader: Reader
) -> None:
    producer = Producer({**stage.kafka.librdkafka(), "transactional.id": stage.group})
    producer.init_transactions(30)
    with stage.worker() as stack:
        for number in range(6):
            producer.begin_transaction()
            producer.produce(stage.posts, f'{{"id": "t-{number}", "text": "Good morning!"}}', partition=0)
            producer.flush(30)
            producer.abort_transaction(30) if number % 2 else producer.commit_transaction(30)
        reader.wait_for({"t-0", "t-2", "t-4"})
        stage.wait_until_committed(12)
        wait_for(lambda: read_metric(stack, "sluice_consumer_lag_messages").get("0") == 0, "a lag of 0")
    assert not {"t-1", "t-3", "t-5"} & set(reader.seen)


def test_a_gap_of_200_million_offsets(
    make_kafka: Callable[[int], NativeKafka], triton_server: TritonServer, tmp_path: Path
) -> None:
    """As a compacted topic may have one; made in the broker's files, since none is made in a test's time."""
    cluster = make_kafka(1)
    with cluster:
        cluster.wait_until_ready(90)
        stage = Stage(cluster.kafka, triton_server.address, tmp_path, "gap")
        stage.send(10)
    open_gap(tmp_path / "kafka-1" / "data" / f"{stage.posts}-0", GAP)
    with cluster:
        cluster.wait_until_ready(90)
        reader = Reader(stage.kafka)
        with stage.worker() as stack:
            before = psutil.Process(stack.worker_pid).memory_info().rss
            reader.wait_for({f"gap-{n}" for n in range(10)})
            stage.wait_until_committed(GAP + 10)
            reader.wait_for_verdicts(20)
            assert len(reader.seen) == 20, "the segment is there twice, before and behind the gap"
            assert psutil.Process(stack.worker_pid).memory_info().rss < before + MAX_GROWTH_BYTES
        reader.close()


def open_gap(folder: Path, offset: int) -> None:
    """Write a partition's first segment once more, with offsets from `offset` on."""
    records, at = bytearray((folder / f"{0:020d}.log").read_bytes()), 0
    while at < len(records):
        base, length = struct.unpack_from(">qi", records, at)
        struct.pack_into(">q", records, at, base + offset)  # the checksum begins behind
        at += 12 + length
    (folder / f"{offset:020d}.log").write_bytes(records)
    (folder / "leader-epoch-checkpoint").unlink(missing_ok=True)
    for checkpoint in ("recovery-point-offset-checkpoint", ".kafka_cleanshutdown"):
        (folder.parent / checkpoint).unlink(missing_ok=True)
