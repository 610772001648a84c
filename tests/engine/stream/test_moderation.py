"""One message in, exactly one outcome out, through outages of Triton and of Kafka."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from prometheus_client import CollectorRegistry

from sluice.config import Topics
from sluice.errors import InferenceUnavailable, MessageRefused
from sluice.metrics import Metrics
from sluice.schema import Post, decode_verdict, encode
from sluice.stream.backlog import Rank, first_come, newest_deadline_first
from sluice.stream.dead_letters import MAX_HEADERS_BYTES, Headers, Message, short
from sluice.stream.lanes import Leaving
from sluice.stream.moderation import Moderator
from tests.engine.pipelines import Bench, finds

TOPICS = Topics()


class FakeOutbox:
    """Keeps what is sent; fails as often as told."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes | None, Headers]] = []
        self.n_failures = 0
        self.n_refused = 0
        self.max_bytes = dict.fromkeys(TOPICS.all(), 10_000)

    async def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        if self.n_failures:
            self.n_failures -= 1
            raise ConnectionError("broker away")
        n_bytes = len(key or b"") + len(value or b"") + sum(len(name) + len(text or b"") for name, text in headers)
        if n_bytes > self.max_bytes[topic]:
            self.n_refused += 1
            raise MessageRefused("over the topic's limit")
        self.sent.append((topic, key, value, headers))

    def topics(self) -> list[str]:
        return [topic for topic, *_ in self.sent]


class Desk:
    """A moderator over fakes."""

    def __init__(self, n_at_once: int = 256, rank: Rank = first_come) -> None:
        self.bench = Bench()
        self.outbox = FakeOutbox()
        self.leaving = False
        self.metrics = Metrics(CollectorRegistry())
        self.moderator = Moderator(
            self.bench.pipeline,
            self.outbox,
            TOPICS,
            self.metrics,
            lambda: self.leaving,
            n_at_once,
            max_pause_s=0.01,
            rank=rank,
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
    desk.bench.pipeline._policies = None  # type: ignore[assignment]
    await desk.handle(b'{"id": "p-1", "text": "hello"}')
    assert desk.outbox.topics() == [TOPICS.dead_letters]
    assert dict(desk.outbox.sent[0][3])["sluice-reason"] == b"unscorable"


async def test_a_fault_of_ours_while_reading_becomes_a_dead_letter_without_content_in_the_log(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(raw: bytes, headers: Headers) -> None:
        raise RuntimeError(raw.decode())

    monkeypatch.setattr("sluice.stream.moderation.decode_post", fail)
    await desk.handle(b"a secret")
    assert desk.outbox.topics() == [TOPICS.dead_letters]
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("rank", "order"), [(first_come, ["p-1", "p-2", "p-3"]), (newest_deadline_first(5_000), ["p-1", "p-3", "p-2"])]
)
async def test_posts_begin_by_their_rank(rank: Rank, order: list[str]) -> None:
    desk, deadlines_ms = Desk(n_at_once=1, rank=rank), {"p-1": 1_000, "p-2": 2_000, "p-3": 3_000}
    desk.bench.classifier.delay_s["text_encoder"] = 0.001
    posts = [encode(Post(id=name, text="hello", deadline_ms=ms)) for name, ms in deadlines_ms.items()]
    await asyncio.gather(*map(desk.handle, posts))
    assert [key for _, key, *_ in desk.outbox.sent] == [name.encode() for name in order]


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
    desk.bench.classifier.ready.clear()
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


async def test_a_text_is_scored_while_posts_with_media_wait_for_one_another() -> None:
    desk = Desk(n_at_once=1)
    desk.bench.classifier.errors["image_encoder"] = InferenceUnavailable("down", "image_encoder")
    desk.bench.classifier.ready.clear()
    with_media = b'{"id": "m", "text": "hello", "images": [{"uri": "a:ok"}]}'
    waiting = [asyncio.create_task(desk.handle(with_media)) for _ in range(3)]
    await desk.handle(b'{"id": "p-1", "text": "hello"}')
    assert [key for _, key, *_ in desk.outbox.sent] == [b"p-1"]
    desk.bench.classifier.errors.clear()
    desk.bench.classifier.ready.set()
    await asyncio.gather(*waiting)
    assert [key for _, key, *_ in desk.outbox.sent] == [b"p-1", b"m", b"m", b"m"]


async def test_a_message_that_is_crashing_workers_is_given_up_unread(desk: Desk) -> None:
    await desk.moderator.bury(Message(b"k", b"whatever it holds", [], None, "moderation.posts/0/7"))
    ((topic, key, value, headers),) = desk.outbox.sent
    assert (topic, key, value) == (TOPICS.dead_letters, b"k", b"whatever it holds")
    assert dict(headers)["sluice-reason"] == b"crashed_worker"
    assert b"crashed the worker" in (dict(headers)["sluice-detail"] or b"")
    assert desk.bench.classifier.n_calls == 0


LIMIT = 4_000
NOT_JSON = b"x" * 100
HASHED = "its SHA-256 in its place"


def left_out(headers: Headers) -> list[str]:
    return [(text or b"").decode() for name, text in headers if name == "sluice-left-out"]


async def test_a_message_without_a_value_becomes_a_dead_letter_without_one(desk: Desk) -> None:
    await desk.moderator.handle(Message(b"k", None, [], None, "moderation.posts/0/7"))
    ((topic, key, value, headers),) = desk.outbox.sent
    assert (topic, key, value) == (TOPICS.dead_letters, b"k", None)
    assert b"tombstone" in (dict(headers)["sluice-detail"] or b"")


@pytest.mark.parametrize(
    ("key", "value", "headers", "steps"),
    [
        (b"k", NOT_JSON, [("trace", b"1"), ("long", b"x" * 20_000)], ["headers: 1 of 2"]),
        (b"k", b"x" * LIMIT, [("trace", b"1")], ["headers: 0 of 1", f"value: {LIMIT} bytes"]),
        (b"k" * LIMIT, NOT_JSON, [], ["headers: 0 of 0", "value: 100 bytes", f"key: {LIMIT} bytes, {HASHED}"]),
        (b"k", NOT_JSON, [("long", b"x" * LIMIT)], ["headers: all 1", "value: 100 bytes", f"key: 1 bytes, {HASHED}"]),
        (
            None,
            NOT_JSON,
            [("null", None)] * LIMIT,
            [f"headers: all {LIMIT}", "value: 100 bytes", f"key: 0 bytes, {HASHED}"],
        ),
    ],
)
async def test_a_dead_letter_gets_shorter_until_its_topic_takes_it(
    desk: Desk, key: bytes | None, value: bytes, headers: Headers, steps: list[str]
) -> None:
    desk.outbox.max_bytes[TOPICS.dead_letters] = LIMIT
    await desk.handle(value, key, headers)
    ((_, sent_key, sent_value, sent_headers),) = desk.outbox.sent
    assert left_out(sent_headers) == steps
    assert dict(sent_headers)["sluice-reason"] == b"not_json"
    assert dict(sent_headers)["sluice-source"] == b"moderation.posts/0/7"
    assert sent_value == (value if len(steps) == 1 else b"")
    assert sent_key == (key if len(steps) < 3 or key is None else hashlib.sha256(key).hexdigest().encode())
    assert desk.metrics.registry.get_sample_value("sluice_dead_letters_total", {"reason": "not_json"}) == 1


async def test_a_dead_letter_that_no_topic_takes_waits_until_it_does(desk: Desk) -> None:
    desk.outbox.max_bytes[TOPICS.dead_letters] = 10
    waiting = asyncio.create_task(desk.handle(NOT_JSON))
    while desk.outbox.n_refused < 8:
        await asyncio.sleep(0.001)
    desk.outbox.max_bytes[TOPICS.dead_letters] = LIMIT
    await waiting
    assert desk.outbox.topics() == [TOPICS.dead_letters]


async def test_headers_that_no_verdict_has_room_for_are_left_out(desk: Desk) -> None:
    desk.outbox.max_bytes[TOPICS.verdicts] = 30_000
    headers = [("trace", b"1"), ("long", b"x" * 30_000)]
    await desk.handle(b'{"id": "p-1", "text": "hello"}', headers=headers)
    assert [(topic, kept) for topic, _, _, kept in desk.outbox.sent] == [(TOPICS.verdicts, [("trace", b"1")])]


async def test_a_verdict_too_large_for_its_topic_becomes_a_dead_letter_that_says_so(desk: Desk) -> None:
    desk.outbox.max_bytes[TOPICS.verdicts] = 100
    await desk.handle(b'{"id": "p-1", "text": "hello"}')
    ((topic, _, value, headers),) = desk.outbox.sent
    assert (topic, value) == (TOPICS.dead_letters, b'{"id": "p-1", "text": "hello"}')
    assert dict(headers)["sluice-reason"] == b"verdict_too_large"
    assert TOPICS.verdicts.encode() in (dict(headers)["sluice-detail"] or b"")


def test_headers_are_kept_up_to_a_bound() -> None:
    assert short([("a", b"1"), ("b", None), ("c", b"x" * MAX_HEADERS_BYTES), ("d", b"1")]) == [("a", b"1"), ("b", None)]
