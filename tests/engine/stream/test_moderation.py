"""One message in, exactly one outcome out, through outages of Triton and of Kafka."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from sluice.config import Topics
from sluice.errors import InferenceUnavailable, PostTooLarge
from sluice.metrics import Metrics
from sluice.schema import decode_verdict
from sluice.stream.moderation import Headers, Leaving, Message, Moderator
from tests.engine.test_pipeline import Bench, finds

TOPICS = Topics()


class FakeOutbox:
    """Keeps what is sent; fails as often as told."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes, Headers]] = []
        self.n_failures = 0
        self.max_bytes = 10_000

    async def send(self, topic: str, key: bytes | None, value: bytes, headers: Headers) -> None:
        if self.n_failures:
            self.n_failures -= 1
            raise ConnectionError("broker away")
        if len(value) + sum(len(name) + len(text) for name, text in headers) > self.max_bytes:
            raise PostTooLarge("over the topic's limit")
        self.sent.append((topic, key, value, headers))

    def topics(self) -> list[str]:
        return [topic for topic, *_ in self.sent]


class Desk:
    """A moderator over fakes."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.outbox = FakeOutbox()
        self.leaving = False
        self.metrics = Metrics(CollectorRegistry())
        self.moderator = Moderator(
            self.bench.pipeline, self.outbox, TOPICS, self.metrics, lambda: self.leaving, max_pause_s=0.01
        )

    async def handle(self, value: bytes, key: bytes | None = b"p", headers: Headers = (("trace", b"1"),)) -> None:
        await self.moderator.handle(Message(key, value, list(headers), 1000.0, "moderation.posts/0/7"))


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_post_becomes_one_verdict_with_its_key_and_headers(desk: Desk) -> None:
    await desk.handle(b'{"id": "p-1", "text": "hello"}', key=None)
    ((topic, key, value, headers),) = desk.outbox.sent
    assert (topic, key, headers) == (TOPICS.verdicts, b"p-1", [("trace", b"1")])
    assert decode_verdict(value).decision == "allow"
    assert desk.metrics.registry.get_sample_value("sluice_end_to_end_seconds_count") == 1


async def test_what_needs_a_review_goes_to_the_reviews_too(desk: Desk) -> None:
    desk.bench.classifier.script = finds("threat", 0.5, ("text_encoder",))
    await desk.handle(b'{"id": "p-1", "text": "hello"}')
    assert desk.outbox.topics() == [TOPICS.reviews, TOPICS.verdicts]
    assert desk.outbox.sent[0][2] == desk.outbox.sent[1][2]


async def test_what_is_not_a_post_becomes_a_dead_letter_as_it_came(desk: Desk) -> None:
    await desk.handle(b"\xff not a post", key=b"k")
    ((topic, key, value, headers),) = desk.outbox.sent
    assert (topic, key, value) == (TOPICS.dead_letters, b"k", b"\xff not a post")
    added = dict(headers)
    assert added["trace"] == b"1"
    assert added["sluice-reason"] == b"not_utf8"
    assert added["sluice-source"] == b"moderation.posts/0/7"
    assert b"byte 0" in added["sluice-detail"]
    assert desk.metrics.registry.get_sample_value("sluice_dead_letters_total", {"reason": "not_utf8"}) == 1


async def test_a_fault_of_ours_becomes_a_dead_letter_too(desk: Desk) -> None:
    desk.bench.pipeline._policy = None  # type: ignore[assignment]
    await desk.handle(b'{"id": "p-1", "text": "hello"}')
    assert desk.outbox.topics() == [TOPICS.dead_letters]
    assert dict(desk.outbox.sent[0][3])["sluice-reason"] == b"unscorable"


async def test_a_fault_of_ours_while_reading_becomes_a_dead_letter_without_content_in_the_log(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(raw: bytes) -> None:
        raise RuntimeError(raw.decode())

    monkeypatch.setattr("sluice.stream.moderation.decode_post", fail)
    await desk.handle(b"a secret")
    assert desk.outbox.topics() == [TOPICS.dead_letters]
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


async def test_an_outage_of_triton_is_waited_out(desk: Desk) -> None:
    classifier = desk.bench.classifier
    classifier.errors["text_encoder"] = InferenceUnavailable("down")
    waiting = asyncio.create_task(desk.handle(b'{"id": "p-1", "text": "hello"}'))
    while classifier.n_calls < 3:
        await asyncio.sleep(0)
    assert desk.outbox.sent == []
    classifier.errors.clear()
    await waiting
    assert desk.outbox.topics() == [TOPICS.verdicts]


async def test_a_send_that_fails_is_tried_until_the_broker_acknowledges(desk: Desk) -> None:
    desk.outbox.n_failures = 3
    await desk.handle(b'{"id": "p-1", "text": "hello"}')
    assert desk.outbox.topics() == [TOPICS.verdicts]


async def test_a_worker_that_leaves_lets_go_of_posts_that_only_wait(desk: Desk) -> None:
    desk.bench.classifier.errors["text_encoder"] = InferenceUnavailable("down")
    desk.bench.classifier.unready = True
    desk.leaving = True
    with pytest.raises(Leaving):
        await desk.handle(b'{"id": "p-1", "text": "hello"}')
    assert desk.outbox.sent == []


async def test_a_worker_that_leaves_does_not_wait_for_kafka(desk: Desk) -> None:
    desk.outbox.n_failures = 1
    desk.leaving = True
    with pytest.raises(Leaving):
        await desk.handle(b"not json")


async def test_a_worker_that_leaves_lets_go_also_where_triton_says_it_is_ready(desk: Desk) -> None:
    desk.bench.classifier.errors["text_encoder"] = InferenceUnavailable("down")
    desk.leaving = True
    with pytest.raises(Leaving):
        await desk.handle(b'{"id": "p-1", "text": "hello"}')


async def test_a_dead_letter_over_the_topics_limit_goes_without_the_original(desk: Desk) -> None:
    await desk.handle(b"x" * desk.outbox.max_bytes)
    ((topic, key, value, headers),) = desk.outbox.sent
    assert (topic, key, value) == (TOPICS.dead_letters, b"p", b"")
    added = dict(headers)
    assert added["trace"] == b"1"
    assert added["sluice-reason"] == b"not_json"
    assert added["sluice-source"] == b"moderation.posts/0/7"
    assert b"10000 bytes" in added["sluice-detail"]


async def test_headers_that_no_verdict_has_room_for_are_left_out(desk: Desk) -> None:
    desk.outbox.max_bytes = 30_000
    headers = [("trace", b"1"), ("long", b"x" * desk.outbox.max_bytes)]
    await desk.handle(b'{"id": "p-1", "text": "hello"}', headers=headers)
    assert [(topic, kept) for topic, _, _, kept in desk.outbox.sent] == [(TOPICS.verdicts, [("trace", b"1")])]
