"""Whatever producers send is read: one worker on a real Kafka, from the first batch to the last."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from sluice.client import Outcome, Outcomes
from sluice.config import KafkaConfig, Topics
from sluice.kafka import MAX_MESSAGE_BYTES, ensure_topics
from sluice.local.kafka import NativeKafka
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from tests.components import wait_for

N_POSTS = 20
CODECS = ("none", "gzip", "lz4", "zstd", "snappy")

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


@pytest.fixture(scope="module")
def stack(
    kafka_broker: NativeKafka, triton_server: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """One worker for all tests of this module, on topics of its own; it is the same at the end."""
    topics = Topics("producers.posts", "producers.verdicts", "producers.reviews", "producers.dead-letters")
    kafka = KafkaConfig(kafka_broker.kafka.bootstrap, topics=topics)
    ensure_topics(kafka)
    config = StackConfig(
        tmp_path_factory.mktemp("producers"),
        triton_repository(),
        kafka=kafka,
        triton=triton_server.address,
        worker_environment={"SLUICE_GROUP": "producers"},
    )
    with Stack(config) as stack:
        pid = stack.worker_pid
        yield stack
        stack.check()
        assert stack.worker_pid == pid


def post(identifier: str, text: str = "Good morning!") -> bytes:
    return f'{{"id": "{identifier}", "text": "{text}"}}'.encode()


class Exchange:
    """Sends messages with librdkafka's producer and waits for the outcome of each key."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def send(self, messages: list[dict[str, object]], **properties: object) -> None:
        producer = Producer({**self._stack.kafka.librdkafka(), "message.max.bytes": 10_000_000, **properties})
        for message in messages:
            producer.produce(self._stack.kafka.topics.posts, **message)  # type: ignore[arg-type]
        assert producer.flush(30) == 0

    def outcomes_of(self, n_outcomes: int, send: Callable[[], None]) -> list[Outcome]:
        found: list[Outcome] = []
        with Outcomes(self._stack.kafka) as outcomes:
            send()

            def ask() -> bool:
                self._stack.check()
                found.extend(outcomes.poll(0.5))
                return len(found) >= n_outcomes

            wait_for(ask, f"{n_outcomes} outcomes")
            found.extend(outcomes.poll(0.5))
        return found


@pytest.fixture
def exchange(stack: Stack) -> Exchange:
    return Exchange(stack)


def send_one_batch(exchange: Exchange, name: str, codec: str) -> list[Outcome]:
    """One batch of 20 posts: long enough that the codec makes it shorter, or librdkafka would send it as it is."""
    posts: list[dict[str, object]] = [
        {"key": f"{name}-{n}", "value": post(f"{name}-{n}", "Good morning! " * 20)} for n in range(N_POSTS)
    ]
    batch = {"compression.type": codec, "linger.ms": 200, "batch.num.messages": N_POSTS}
    return exchange.outcomes_of(N_POSTS, lambda: exchange.send(posts, **batch))


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_is_read(exchange: Exchange, codec: str) -> None:
    outcomes = send_one_batch(exchange, codec, codec)
    assert sorted(outcome.verdict().post_id for outcome in outcomes) == sorted(f"{codec}-{n}" for n in range(N_POSTS))


def change_topic(kafka: KafkaConfig, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = AdminClient(kafka.librdkafka())
    admin.incremental_alter_configs([resource])[resource].result(10)


@pytest.fixture
def recompressed(stack: Stack) -> Iterator[Callable[[str], None]]:
    """Let the broker compress what it stores of the posts topic."""

    def change(codec: str) -> None:
        change_topic(stack.kafka, stack.kafka.topics.posts, "compression.type", codec)

    yield change
    change("producer")


@pytest.mark.parametrize("codec", CODECS[1:])
def test_what_the_broker_compresses_is_read(
    exchange: Exchange, recompressed: Callable[[str], None], codec: str
) -> None:
    recompressed(codec)
    name = f"broker-{codec}"
    outcomes = send_one_batch(exchange, name, "none")
    assert sorted(outcome.verdict().post_id for outcome in outcomes) == sorted(f"{name}-{n}" for n in range(N_POSTS))


async def send_bomb(stack: Stack, codec: str, n_bytes: int) -> None:
    """One record of zeros, which the broker stores compressed."""
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.kafka.bootstrap, compression_type=codec, max_request_size=2 * n_bytes
    )
    await producer.start()
    try:
        await producer.send_and_wait(stack.kafka.topics.posts, bytes(n_bytes), partition=0)
        await producer.send_and_wait(stack.kafka.topics.posts, post(f"behind-{codec}"), partition=0)
    finally:
        await producer.stop()


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_record_that_inflates_to_200_mb_is_skipped_and_what_is_behind_it_is_read(
    exchange: Exchange, stack: Stack, codec: str
) -> None:
    worker = psutil.Process(stack.worker_pid)
    skipped = n_skipped(stack)
    (outcome,) = exchange.outcomes_of(1, lambda: asyncio.run(send_bomb(stack, codec, 200_000_000)))
    assert outcome.verdict().post_id == f"behind-{codec}"
    assert n_skipped(stack) == skipped + 1
    peak_kb = next(line for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines() if "VmHWM" in line)
    assert int(peak_kb.split()[1]) < 600_000
    assert "its records are over" in (stack.config.state_dir / "worker.log").read_text()


def n_skipped(stack: Stack) -> float:
    with urllib.request.urlopen(f"{stack.addresses.metrics}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("sluice_posts_skipped_total{"))


class RawName(str):
    """Writes itself as bytes that are no UTF-8, as other languages' producers may."""

    def encode(self, *_: object) -> bytes:
        return b"na\xffme"


@pytest.fixture
def raw_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka's builder in Python takes such names, the one in C does not."""
    for module in ("message_accumulator", "producer"):
        monkeypatch.setattr(f"aiokafka.producer.{module}.DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)


async def send_raw(stack: Stack, value: bytes, headers: list[tuple[str, bytes | None]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka.bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(stack.kafka.topics.posts, value, headers=headers)
    finally:
        await producer.stop()


@pytest.mark.usefixtures("raw_names")
@pytest.mark.parametrize("value", [post("raw"), b"not a post"])
def test_any_header_travels(exchange: Exchange, stack: Stack, value: bytes) -> None:
    """A name that is not UTF-8, one without a value, one that comes twice."""
    headers = [(RawName("x"), b"1"), ("null", None), ("twice", b"a"), ("twice", b"b")]
    (outcome,) = exchange.outcomes_of(1, lambda: asyncio.run(send_raw(stack, value, headers)))
    assert outcome.headers[:4] == (("na?me", b"1"), ("null", None), ("twice", b"a"), ("twice", b"b"))


def test_a_key_of_4_mb_leaves_a_dead_letter_no_room_for_its_value(exchange: Exchange) -> None:
    key, value = b"k" * 4_000_000, b"x" * 194_150
    outcomes = exchange.outcomes_of(
        2, lambda: exchange.send([{"key": key, "value": post("large-key")}, {"key": key, "value": value}])
    )
    verdict, letter = sorted(outcomes, key=lambda outcome: outcome.kind, reverse=True)
    assert verdict.verdict().post_id == "large-key"
    assert (letter.key, letter.value, letter.dead_letter()["reason"]) == (key, b"", "not_json")
    assert letter.left_out == ("headers: 0 of 0", "value: 194150 bytes")


def test_a_tombstone_stays_one_in_the_dead_letters(exchange: Exchange) -> None:
    (outcome,) = exchange.outcomes_of(1, lambda: exchange.send([{"key": b"gone", "value": None}]))
    assert (outcome.kind, outcome.key, outcome.value) == ("dead_letter", b"gone", None)
    assert "tombstone" in (outcome.dead_letter()["detail"] or "")


@pytest.mark.parametrize("timestamp_ms", [-1, 0, 1, 1_000_000_000])
def test_any_timestamp_is_read(exchange: Exchange, stack: Stack, timestamp_ms: int) -> None:
    identifier = f"at-{timestamp_ms}"
    (outcome,) = exchange.outcomes_of(1, lambda: asyncio.run(send_at(stack, post(identifier), timestamp_ms)))
    assert outcome.verdict().post_id == identifier
    assert (outcome.verdict().latency_ms["wait"] > 1e12) == (0 < timestamp_ms <= 1_000_000_000)


async def send_at(stack: Stack, value: bytes, timestamp_ms: int) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka.bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(stack.kafka.topics.posts, value, timestamp_ms=timestamp_ms)
    finally:
        await producer.stop()


def test_a_verdict_too_large_for_its_topic_and_its_neighbours(
    exchange: Exchange, limited: Callable[[int], None]
) -> None:
    """Twenty at once: a broker refuses a batch as a whole, and only one of them is too large."""
    limited(4000)
    long_id = "l" * 256
    posts: list[dict[str, object]] = [{"key": f"n-{n}", "value": post(f"n-{n}")} for n in range(N_POSTS)]
    images = "".join(f', "https://example.invalid/{n}"' for n in range(200))
    large = f'{{"id": "{long_id}", "text": "hello", "images": ["data:,"{images}], "deadline_ms": 2000}}'.encode()
    outcomes = exchange.outcomes_of(N_POSTS + 1, lambda: exchange.send([*posts, {"key": "large", "value": large}]))
    letters = [outcome for outcome in outcomes if outcome.kind == "dead_letter"]
    assert [(letter.key, letter.dead_letter()["reason"]) for letter in letters] == [(b"large", "verdict_too_large")]
    assert "producers.verdicts" in str(letters[0].dead_letter()["detail"])


@pytest.fixture
def limited(stack: Stack) -> Iterator[Callable[[int], None]]:
    """Set how large a message of the verdicts topic may be."""

    def limit(n_bytes: int) -> None:
        change_topic(stack.kafka, stack.kafka.topics.verdicts, "max.message.bytes", str(n_bytes))

    yield limit
    limit(MAX_MESSAGE_BYTES)
