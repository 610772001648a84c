"""A history is complete when work begins, follows the topics, and goes on after what went wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from sluice.client import Report, ReportPublisher
from sluice.client.messages import Place
from sluice.config import KafkaConfig
from sluice.history import follower
from sluice.history.config import HistoryConfig
from sluice.history.counts import Moment
from sluice.history.events import Event
from sluice.history.follower import remembering
from sluice.history.recount import compare
from sluice.history.remembered import RememberedAuthors
from sluice.history.showing import read_author
from sluice.kafka import ensure_topics
from sluice.metrics import Metrics
from sluice.resources import default_policy
from sluice.schema import AuthorHistory, Basis, encode
from sluice.verdict.policy_file import PolicyFile
from tests.engine.history.events import CONFIG, NOW_MS, verdict
from tests.engine.history.test_events import VERDICT

NOW = Moment(NOW_MS)
RULE = "name: r\nversion: 1\nextends: default\nrules: [{name: fast, when: author.posts_1h > 5, tags: [fast]}]\n"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
def policies(metrics: Metrics) -> PolicyFile:
    return PolicyFile(default_policy(), metrics)


def publish(kafka: KafkaConfig, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for value in values:
        producer.produce(kafka.topics.verdicts, value)
    assert producer.flush(30) == 0


def blocked(name: str) -> bytes:
    basis = Basis(author=AuthorHistory(counted_at=NOW_MS / 1000))
    return encode(msgspec.structs.replace(VERDICT, post_id=name, basis=basis))


async def until(authors: RememberedAuthors, n_posts: int) -> AuthorHistory:
    async with asyncio.timeout(30):
        while (found := authors.count("t", "u-1", NOW)).posts_24h < n_posts:
            await asyncio.sleep(0.02)
    return found


async def test_what_is_there_is_counted_at_the_start_and_what_comes_after(
    kafka: KafkaConfig, metrics: Metrics, policies: PolicyFile
) -> None:
    ensure_topics(kafka, names=(kafka.topics.reports,))
    await asyncio.to_thread(publish, kafka, blocked("a"), b"no verdict", blocked("b"))
    await asyncio.to_thread(ReportPublisher(kafka).publish, Report(author_id="u-1", tenant="t"))
    async with remembering(kafka, CONFIG, policies, metrics, 30.0) as authors:
        assert authors is not None
        assert authors.count("t", "u-1", NOW).posts_24h == 2
        await asyncio.to_thread(publish, kafka, blocked("c"), blocked("a"))
        assert (await until(authors, 3)).strikes == 3.0
    unread = metrics.registry.get_sample_value("sluice_history_unread_total", {"topic": kafka.topics.verdicts})
    assert unread == 1
    shown = await asyncio.to_thread(read_author, kafka, HistoryConfig(), "t", "u-1", NOW_MS, 30.0)
    assert (shown.posts_24h, shown.strikes) == (3, 3.0)


NESTED = b'{"a":' * 20_000 + b"1" + b"}" * 20_000


@pytest.mark.parametrize(
    "wrong", [NESTED, b'{"post_id":"\xff"}', b'{"post_id":"p","decision":"allow","author_id":"u","x":' + NESTED + b"}"]
)
async def test_no_message_ends_the_counting(
    kafka: KafkaConfig, metrics: Metrics, policies: PolicyFile, wrong: bytes
) -> None:
    await asyncio.to_thread(publish, kafka, wrong, blocked("a"))
    async with remembering(kafka, CONFIG, policies, metrics, 30.0) as authors:
        assert authors is not None
        assert authors.count("t", "u-1", NOW).posts_24h == 1
        assert (await asyncio.to_thread(compare, kafka, CONFIG, authors, 30.0)).n_different == 0
    assert metrics.registry.get_sample_value("sluice_history_unread_total", {"topic": kafka.topics.verdicts}) == 1


async def test_a_recount_sees_what_was_counted_otherwise(
    kafka: KafkaConfig, metrics: Metrics, policies: PolicyFile
) -> None:
    await asyncio.to_thread(publish, kafka, blocked("a"), b"no verdict", blocked("b"))
    async with remembering(kafka, CONFIG, policies, metrics, 30.0) as authors:
        assert authors is not None
    same = await asyncio.to_thread(compare, kafka, CONFIG, authors, 30.0)
    assert (same.n_authors, same.n_entries, same.n_different) == (1, 4, 0)
    authors.fold([verdict("c", author="u-2")], {})  # which no topic holds
    authors.fold([verdict("a", -1, "block")], {})
    other = await asyncio.to_thread(compare, kafka, CONFIG, authors, 30.0)
    assert (other.n_authors, other.n_entries, other.n_different) == (1, 4, 3)


async def test_what_could_not_be_kept_is_read_again(
    kafka: KafkaConfig, metrics: Metrics, policies: PolicyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "PAUSE_S", 0.01)
    fold, n_failures = RememberedAuthors.fold, [OSError("disk full")]

    def fail_once(authors: RememberedAuthors, events: Iterable[Event], offsets: Mapping[Place, int]) -> None:
        if n_failures:
            raise n_failures.pop()
        fold(authors, events, offsets)

    async with remembering(kafka, CONFIG, policies, metrics, 30.0) as authors:
        assert authors is not None
        monkeypatch.setattr(RememberedAuthors, "fold", fail_once)
        await asyncio.to_thread(publish, kafka, blocked("a"))
        await until(authors, 1)
    assert n_failures == []


def test_where_nobody_reported_yet_an_author_is_shown_all_the_same(kafka: KafkaConfig) -> None:
    publish(kafka, blocked("a"))
    assert read_author(kafka, HistoryConfig(), "t", "u-1", NOW_MS, 30.0).posts_24h == 1


async def test_without_a_key_rules_that_ask_for_a_history_are_named(
    kafka: KafkaConfig, metrics: Metrics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(RULE)
    with caplog.at_level(logging.WARNING):
        async with remembering(kafka, HistoryConfig(), PolicyFile(path, metrics), metrics, 30.0) as authors:
            assert authors is None
    assert "rules ask for author.posts_1h, which is 0 for everybody" in caplog.text
