"""What we rely on inside Faust and aiokafka, pinned. How it works on a real Kafka: tests/integration."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import aiokafka
import aiokafka.consumer.fetcher as fetcher
import pytest
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from prometheus_client import CollectorRegistry

from sluice.config import AgentConfig, KafkaConfig
from sluice.metrics import Metrics
from sluice.stream.faust_app import build_faust
from sluice.stream.offsets import Skipped
from sluice.stream.records import LenientRecords
from sluice.stream.transport import Span, WorkerTransport

PLACE = TP("posts", 0)


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
    monkeypatch.setattr(fetcher, "MemoryRecords", fetcher.MemoryRecords)
    bench.app.finalize()
    made = bench.consumer._thread._create_consumer(asyncio.get_running_loop())
    assert (made._isolation_level, made._auto_offset_reset, made._fetch_max_wait_ms) == ("read_committed", "none", 7)
    assert fetcher.MemoryRecords is LenientRecords
    plain = aiokafka.AIOKafkaConsumer()
    assert {"_isolation_level", "_auto_offset_reset", "_fetch_max_wait_ms"} <= set(vars(plain)), "aiokafka renamed one"


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
