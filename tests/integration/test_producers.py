"""Whatever producers send is read: one worker on a real Kafka, from the first batch to the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from sluice.client import Outcome, Outcomes
from sluice.config import KafkaConfig, Topics
from sluice.kafka import ensure_topics
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


@pytest.fixture
def recompressed(stack: Stack) -> Iterator[Callable[[str], None]]:
    """Let the broker compress what it stores of the posts topic."""
    admin = AdminClient(stack.kafka.librdkafka())

    def change(codec: str) -> None:
        entry = ConfigEntry("compression.type", codec, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, stack.kafka.topics.posts, incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result(10)

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
