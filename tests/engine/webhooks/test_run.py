"""From the verdict topic to a receiver that dies and comes back, on an embedded broker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from sluice.config import KafkaConfig
from sluice.formats import CONTENT_TYPES, Format, encode_as
from sluice.kafka import COPIED_HEADER
from sluice.webhooks import delivery
from sluice.webhooks.config import WebhookConfig
from sluice.webhooks.message import read_secrets
from sluice.webhooks.run import run_webhooks
from tests.engine.cli.verdicts import make_verdict
from tests.engine.webhooks.receiver import SECRET, Receiver, leave

DEAD_LETTERS = WebhookConfig.dead_letters

Running = tuple[asyncio.Event, asyncio.Task[None]]
Start = Callable[[], Running]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    yield receiver
    await receiver.kill()


@pytest.fixture
async def start(kafka: KafkaConfig, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Start what a process does; the event that it gives ends it."""
    monkeypatch.setattr(delivery, "FIRST_PAUSE_S", 0.02)
    url = f"http://127.0.0.1:{receiver.port}/hook"
    config = WebhookConfig(
        url, read_secrets(SECRET), from_beginning=True, allow_private=True, max_pause_s=0.05, n_refusals=3
    )
    running: list[Running] = []

    def start() -> Running:
        until = asyncio.Event()
        running.append((until, asyncio.create_task(run_webhooks(kafka, config, until))))
        return running[-1]

    yield start
    for until, task in running:
        until.set()
        await task


async def test_a_receiver_that_dies_and_comes_back_misses_nothing(
    kafka: KafkaConfig, receiver: Receiver, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    leave(kafka, *[(f"before-{n}", "block") for n in range(20)], ("allowed", "allow"))
    await receiver.start()
    start()
    await receiver.until(lambda: len(receiver.taken) == 20)
    await receiver.kill()
    leave(kafka, *[(f"while-{n}", "review") for n in range(150)])  # more than are tried at once
    while not any("try 3" in line for line in caplog.messages):
        await asyncio.sleep(0.01)
    assert len(receiver.taken) == 20
    await receiver.start()
    await receiver.until(lambda: len(set(receiver.taken)) == 170)
    expected = {f"before-{n}" for n in range(20)} | {f"while-{n}" for n in range(150)}
    assert set(receiver.taken) == expected
    assert len(receiver.identifiers) == 170  # a second try has the same one


async def test_what_is_refused_alone_is_a_dead_letter_and_so_is_what_is_no_verdict(
    kafka: KafkaConfig, receiver: Receiver, start: Start
) -> None:
    receiver.refused = {"bad"}
    receiver.on_refusal = lambda n: leave(kafka, (f"good-{n}", "block"))  # which it takes
    producer = Producer(kafka.librdkafka())
    producer.produce(kafka.topics.verdicts, b"not a verdict", b"k")
    assert producer.flush(10) == 0
    leave(kafka, ("bad", "block"))
    await receiver.start()
    start()
    await receiver.until(lambda: receiver.n_refused > 0)
    letters = await asyncio.to_thread(read_dead_letters, kafka, 2)
    reasons = {headers["sluice-reason"]: (value, headers["sluice-detail"]) for value, headers in letters}
    assert reasons["not_a_verdict"][0] == b"not a verdict"
    assert json.loads(reasons["not_taken"][0])["post_id"] == "bad"
    assert reasons["not_taken"][1] == "status 422"


@pytest.mark.parametrize("form", ["avro", "protobuf"])
async def test_a_verdict_in_another_form_is_posted_as_json_with_its_trace(
    form: Format, kafka: KafkaConfig, receiver: Receiver, start: Start
) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = [("content-type", CONTENT_TYPES[form].encode()), ("traceparent", parent.encode())]
    producer = Producer(kafka.librdkafka())
    producer.produce(kafka.topics.verdicts, encode_as(make_verdict("p-1", "block"), form), b"p-1", headers=headers)
    assert producer.flush(10) == 0
    await receiver.start()
    start()
    await receiver.until(lambda: bool(receiver.taken))
    assert (receiver.taken, receiver.traces) == (["p-1"], [parent])


async def test_a_verdict_that_was_written_once_more_has_the_same_identifier(
    kafka: KafkaConfig, receiver: Receiver, start: Start
) -> None:
    producer, value = Producer(kafka.librdkafka()), encode_as(make_verdict("p-1", "block"), "json")
    for headers in ([], [(COPIED_HEADER, b"0/0")]):
        producer.produce(kafka.topics.verdicts, value, b"p-1", 0, headers=headers, timestamp=1_795_000_000_000)
    assert producer.flush(10) == 0
    await receiver.start()
    start()
    await receiver.until(lambda: len(receiver.taken) == 2)
    assert len(receiver.identifiers) == 1


def read_dead_letters(kafka: KafkaConfig, n: int) -> list[tuple[bytes, dict[str, str]]]:
    consumer = Consumer({**kafka.librdkafka(), "group.id": "test", "fetch.wait.max.ms": 5})
    consumer.assign([TopicPartition(DEAD_LETTERS, number, 0) for number in range(4)])
    found: list[tuple[bytes, dict[str, str]]] = []
    while len(found) < n:
        message = consumer.poll(10)
        assert message is not None, f"{len(found)} of {n} dead letters"
        if message.error() is None:
            headers = cast("list[tuple[str, bytes]]", message.headers() or [])
            found.append((message.value() or b"", {name: value.decode() for name, value in headers}))
    consumer.close()
    return found
