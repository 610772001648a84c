"""A process whose policies are those of the topic."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from sluice.client.compacted import PARTITION
from sluice.config import KafkaConfig, Topics
from sluice.errors import KafkaUnavailable
from sluice.metrics import Metrics
from sluice.policies.changes import make_push
from sluice.policies.follower import following
from sluice.policies.records import InForce, Version
from sluice.policies.topic import read_topic, write
from sluice.verdict.documents import read_document
from sluice.verdict.policy_file import PolicyFile
from sluice.verdict.policy_set import PolicySet

PATIENCE_S = 30.0


class Process:
    """A policy file, the topic, and the sets that were in force one after another."""

    def __init__(self, kafka: KafkaConfig, folder: Path) -> None:
        self.kafka = kafka
        self.path = folder / "mine.yaml"
        self.path.write_text("name: mine\nversion: 1\nlabels: {}\n")
        self.metrics = Metrics(CollectorRegistry())
        self.file = PolicyFile(self.path, self.metrics)
        self.sets: asyncio.Queue[PolicySet] = asyncio.Queue()
        self.file.used_by(self.sets.put_nowait)

    def push(self, name: str, version: int, more: str = "extends: mine\n") -> None:
        document = read_document(f"tenant: {name}\nversion: {version}\n{more}")
        made = make_push(read_topic(self.kafka), [document], "ann")
        write(self.kafka, made.versions, made.in_force)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        async with following(self.kafka, self.file, PATIENCE_S):
            yield

    async def next_set(self) -> dict[str, int]:
        return versions(await asyncio.wait_for(self.sets.get(), PATIENCE_S))

    def count(self, series: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(series, labels)


def versions(policies: PolicySet) -> dict[str, int]:
    return {ref.name: ref.version for ref in policies.refs}


@pytest.fixture
def process(kafka: KafkaConfig, tmp_path: Path) -> Process:
    return Process(kafka, tmp_path)


async def test_what_is_on_the_topic_is_in_force_before_work_starts_and_followed(process: Process) -> None:
    await asyncio.to_thread(process.push, "a", 1)
    async with process.following():
        assert versions(process.file.current) == {"mine": 1, "a": 1}
        assert await process.next_set() == {"mine": 1, "a": 1}
        await asyncio.to_thread(process.push, "a", 2)
        assert await process.next_set() == {"mine": 1, "a": 2}
        assert process.count("sluice_policy_info", name="a", version="2") == 1
        assert process.count("sluice_policy_info", name="a", version="1") is None
        assert process.count("sluice_policy_reloads_total", result="taken") == 2


async def test_a_wrong_one_is_named_once_and_the_one_before_stays(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    await asyncio.to_thread(process.push, "a", 1)
    async with process.following():
        await process.next_set()
        wrong = "tenant: a\nversion: 2\nextends: mine\nlabels: {thread: {}}\n"
        changes = read_topic(process.kafka).in_force["a"].changes
        write(process.kafka, [("a", 2, Version(wrong, "", ""))], [("a", InForce(2, changes))])
        junk = Producer(process.kafka.librdkafka())
        junk.produce(process.kafka.topics.policies, b"?", b"?", PARTITION)
        assert junk.flush(10) == 0
        await asyncio.to_thread(process.push, "b", 1)
        assert await process.next_set() == {"mine": 1, "a": 1, "b": 1}
    refused = [line for line in caplog.messages if "refused" in line]
    assert len(refused) == 1
    assert "moderation.policies a@2:4: unknown label 'thread'" in refused[0]
    assert "not taken: moderation.policies, offset 4: a record whose key" in caplog.text
    assert process.count("sluice_policy_reloads_total", result="refused") == 1


async def test_files_that_are_read_again_stay_below_the_topic(process: Process) -> None:
    await asyncio.to_thread(process.push, "a", 1)
    async with process.following():
        await process.next_set()
        process.path.write_text("name: mine\nversion: 2\nlabels: {}\n")
        stale = process.file.combine(())
        process.file.reload()
        assert await process.next_set() == {"mine": 2, "a": 1}
        process.file.use(stale)  # was made before the files were read again
        assert await process.next_set() == {"mine": 2}


async def test_a_topic_that_is_not_there_is_an_error(kafka: KafkaConfig, process: Process) -> None:
    elsewhere = KafkaConfig("127.0.0.1:1", topics=Topics(policies="nowhere"))
    with pytest.raises(KafkaUnavailable):
        async with following(elsewhere, process.file, 0.5):
            pass


async def test_whatever_is_written_there_is_passed_over_and_the_next_is_taken(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    async with process.following():
        assert versions(process.file.current) == {"mine": 1}
        producer = Producer(process.kafka.librdkafka())
        for value in (b'{"version":1,"changes":[{"by":"\xff"}]}', b'{"a":' * 50_000):
            producer.produce(process.kafka.topics.policies, value, b"a@", PARTITION)
        assert await asyncio.to_thread(producer.flush, PATIENCE_S) == 0
        await asyncio.to_thread(process.push, "a", 2)
        while (found := await process.next_set()) == {"mine": 1}:  # a record that is refused still makes a set
            pass
        assert found == {"mine": 1, "a": 2}
    assert sum("not taken" in line for line in caplog.messages) == 2


async def test_a_fault_of_ours_does_not_end_the_following(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    combine = process.file.combine
    faults = iter([ZeroDivisionError("made up")])

    def failing_once(wanted: object) -> object:
        for fault in faults:
            raise fault
        return combine(wanted)  # type: ignore[arg-type]

    async with process.following():
        monkeypatch.setattr(process.file, "combine", failing_once)
        await asyncio.to_thread(process.push, "a", 1)
        while not any("ZeroDivisionError" in line for line in caplog.messages):
            await asyncio.sleep(0.01)
        await asyncio.to_thread(process.push, "a", 2)
        assert await process.next_set() == {"mine": 1, "a": 2}
    assert "made up" not in caplog.text
