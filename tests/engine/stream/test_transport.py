"""What we rely on inside Faust and aiokafka, pinned. How it works on a real Kafka: tests/integration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiokafka
import aiokafka.consumer.fetcher as fetcher
import pytest
from confluent_kafka import Producer
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from prometheus_client import CollectorRegistry

from sluice.config import AgentConfig, KafkaConfig
from sluice.metrics import Metrics
from sluice.stream.faust_app import build_faust
from sluice.stream.offsets import Skipped
from sluice.stream.records import LenientRecords
from sluice.stream.transport import BUSY_FETCH_BYTES, BUSY_FETCH_WAIT_MS, Span, WorkerTransport

PLACE = TP("posts", 0)


def restore_aiokafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo after the test what a consumer changes in aiokafka."""
    for name in ("MemoryRecords", "PartitionRecords", "FetchResult"):
        monkeypatch.setattr(fetcher, name, getattr(fetcher, name))


class Bench:
    """An app with our transport, not started, and what it skipped."""

    def __init__(self, folder: Path) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.app = build_faust(KafkaConfig(), AgentConfig(), folder)
        self.transport = WorkerTransport(self.app, Skipped(self.metrics), fetch_wait_ms=7)
        self.app.transport = self.transport
        self.consumer = cast(Any, self.app.consumer)

    def message(self, offset: int) -> ConsumerMessage:
        return ConsumerMessage("posts", 0, offset, 1.0, 0, (), None, b"", None, tp=PLACE)

    def skipped(self) -> float:
        labels = {"topic": "posts", "partition": "0"}
        return self.metrics.registry.get_sample_value("sluice_posts_skipped_total", labels) or 0.0


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_the_consumer_reads_what_is_committed_and_resets_no_offset_by_itself(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore_aiokafka(monkeypatch)
    bench.app.finalize()
    made = bench.consumer._thread._create_consumer(asyncio.get_running_loop())
    assert (made._isolation_level, made._auto_offset_reset, made._fetch_max_wait_ms) == ("read_committed", "none", 7)
    assert fetcher.MemoryRecords is LenientRecords
    plain = aiokafka.AIOKafkaConsumer()
    assert {"_isolation_level", "_auto_offset_reset", "_fetch_max_wait_ms"} <= set(vars(plain)), "aiokafka renamed one"


@pytest.mark.parametrize(
    ("n_posts", "usual_ms", "found"),
    [(7, 1500, (1500, 1)), (8, 1500, (BUSY_FETCH_WAIT_MS, BUSY_FETCH_BYTES)), (8, 7, (7, 1))],
    ids=["few posts", "many posts", "a broker that always waits to the end"],
)
async def test_a_fetch_gathers_posts_while_many_are_in_flight(
    bench: Bench, n_posts: int, usual_ms: int, found: tuple[int, int]
) -> None:
    bench.app.finalize()
    bench.transport.fetch_wait_ms = usual_ms
    bench.transport.count_posts = lambda: n_posts
    fetching = SimpleNamespace(_fetch_max_wait_ms=0, _fetch_min_bytes=0)
    bench.consumer._thread._pace(SimpleNamespace(_fetcher=fetching))
    assert (fetching._fetch_max_wait_ms, fetching._fetch_min_bytes) == found


def test_aiokafka_asks_for_as_much_as_its_fetcher_says_when_it_asks() -> None:
    read_by = fetcher.Fetcher._get_actions_per_node.__code__.co_names
    assert {"_fetch_max_wait_ms", "_fetch_min_bytes"} <= set(read_by), "aiokafka renamed one"


async def test_commits_follow_the_order_of_acknowledgement(bench: Bench) -> None:
    consumer = bench.consumer
    for offset in (5, 200_000_005):
        consumer.ack(bench.message(offset))
    assert consumer._filter_committable_offsets([PLACE]) == {PLACE: 200_000_006}
    consumer._progress[PLACE].committed = 200_000_006
    assert consumer._filter_committable_offsets([PLACE]) == {}
    consumer.ack(bench.message(0))
    assert consumer._filter_committable_offsets([PLACE]) == {PLACE: 1}, "the topic was made anew"


async def test_a_partition_that_starts_behind_its_position_has_skipped_posts(bench: Bench) -> None:
    bench.transport.note_begin(PLACE, 10, 25)
    assert bench.skipped() == 15
    bench.transport.note_begin(PLACE, 1000, 0)
    bench.transport.note_begin(PLACE, None, 7)
    assert bench.skipped() == 15


async def test_a_topic_made_anew_is_begun_once_whenever_its_partitions_come(bench: Bench) -> None:
    transport = bench.transport
    transport.unread = {PLACE: Span(10, 14)}
    transport.note_begin(PLACE, None, 0)
    await transport.read_anew()
    assert bench.skipped() == 4
    transport.settle()
    assert transport.not_begun([PLACE]) == [PLACE], "there was nothing to begin yet"
    transport.note_begin(PLACE, None, 0)
    assert transport.not_begun([PLACE, TP("posts", 1)]) == [TP("posts", 1)]
    transport.settle()
    assert transport.not_begun([TP("posts", 1)]) == [TP("posts", 1)], "one could not be begun yet"
    transport.note_begin(TP("posts", 1), None, 0)
    assert transport.not_begun([PLACE, TP("posts", 1)]) == []
    transport.settle()
    assert transport.not_begun([TP("posts", 2)]) == []


class Reader:
    """Our consumer thread's methods over a real consumer of an embedded broker, without the thread."""

    def __init__(self, kafka: KafkaConfig, folder: Path) -> None:
        self.kafka = kafka
        self.place = TP(kafka.topics.posts, 0)
        self.metrics = Metrics(CollectorRegistry())
        app = build_faust(kafka, AgentConfig(), folder)
        self.transport = WorkerTransport(app, Skipped(self.metrics), fetch_wait_ms=5)
        app.transport = self.transport
        app.finalize()
        self.thread = cast(Any, app.consumer)._thread
        self.consumer = cast(Any, None)

    async def start(self) -> None:
        self.consumer = self.thread._create_consumer(asyncio.get_running_loop())
        self.thread._consumer = self.consumer
        await self.consumer.start()
        self.consumer.assign([self.place])

    def publish(self, n_messages: int) -> None:
        producer = Producer({**self.kafka.librdkafka(), "linger.ms": 0})
        for number in range(n_messages):
            producer.produce(self.place.topic, str(number).encode(), partition=self.place.partition)
        producer.flush(30)

    async def fetch(self) -> list[int]:
        """Offsets of what comes next; as Faust asks, until there is something."""
        async with asyncio.timeout(60):
            while not (found := await self.thread._fetch_records(self.consumer, {self.place}, timeout=1.0)):
                pass
        return [record.offset for record in found[self.place]]


@pytest.fixture
async def reader(kafka: KafkaConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reader]:
    restore_aiokafka(monkeypatch)
    reader = Reader(kafka, tmp_path)
    await reader.start()
    yield reader
    await reader.consumer.stop()


async def test_a_partition_that_was_never_read_is_read_from_its_first_message(reader: Reader) -> None:
    reader.publish(3)
    assert await reader.fetch() == [0, 1, 2]
    assert reader.thread.spans() == {reader.place: Span(3, 3)}


async def test_an_offset_that_is_not_there_is_read_from_the_first_message(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    reader.publish(3)
    reader.consumer.seek(reader.place, 50)
    assert await reader.fetch() == [0, 1, 2]
    assert "offset 50 is not there any more: reading from 0" in caplog.text


async def test_a_topic_made_anew_is_read_from_its_first_message_once(reader: Reader) -> None:
    reader.publish(3)
    assert await reader.fetch() == [0, 1, 2]
    await reader.transport.read_anew()
    assert await reader.fetch() == [0, 1, 2]
    reader.publish(1)
    assert await reader.fetch() == [3]


async def test_a_partition_whose_start_is_not_known_yet_is_begun_later(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await reader.transport.read_anew()
    with monkeypatch.context() as patched:
        patched.setattr("sluice.stream.transport.RESET_TIMEOUT_S", 0.0)
        await reader.thread._begin_anew(reader.consumer)
    assert "where it starts is not known yet: TimeoutError" in caplog.text
    assert reader.transport.not_begun([reader.place]) == [reader.place]
    await reader.thread._begin_anew(reader.consumer)
    assert reader.transport.not_begun([reader.place]) == []


async def test_a_partition_that_was_taken_away_meanwhile_is_not_begun(reader: Reader) -> None:
    other = TP(reader.place.topic, 1)
    await reader.transport.read_anew()
    await reader.thread._begin(reader.consumer, other, None)
    assert reader.transport.not_begun([other]) == [other]


async def test_without_partitions_nothing_is_left_to_read_and_nothing_to_go_back_to(
    kafka: KafkaConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore_aiokafka(monkeypatch)
    reader = Reader(kafka, tmp_path)
    reader.thread._consumer = reader.thread._create_consumer(asyncio.get_running_loop())
    assert reader.thread.spans() == {}
    monkeypatch.setattr(reader.thread, "assignment", set)
    assert await reader.thread.seek_to_committed() == {}


async def test_a_revoked_partition_is_forgotten(bench: Bench) -> None:
    bench.consumer.ack(bench.message(5))
    await bench.consumer.on_partitions_revoked({PLACE})
    assert list(bench.consumer._filter_tps_with_pending_acks()) == []
