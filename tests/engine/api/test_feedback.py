"""What becomes of suggestions: in a file, in a topic, or refused."""

from __future__ import annotations

import asyncio
import json
import socket
import uuid
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from sluice.api.feedback import Feedback, FeedbackFile, FeedbackTopic
from sluice.api.perspective import SuggestRequest, TextEntry
from sluice.api.problems import RequestProblem
from sluice.config import KafkaConfig, Topics
from sluice.kafka import ensure_topics
from sluice.local.broker import EmbeddedBroker
from tests.engine.api.conftest import FakeScorer, serving

SUGGESTION = SuggestRequest(comment=TextEntry("hello"), attribute_scores={"TOXICITY": {"value": 1}}, client_token="t")


def read_topic(kafka: KafkaConfig) -> list[dict]:
    """What is in all partitions."""
    consumer = Consumer({**kafka.librdkafka(), "group.id": str(uuid.uuid4()), "enable.partition.eof": True})
    partitions = consumer.list_topics(kafka.topics.feedback, timeout=10).topics[kafka.topics.feedback].partitions
    consumer.assign([TopicPartition(kafka.topics.feedback, number, 0) for number in partitions])
    found, n_ended = [], 0
    while n_ended < len(partitions):
        message = consumer.poll(10)
        assert message is not None
        n_ended += message.error() is not None
        found += [] if message.error() else [json.loads(message.value())]
    consumer.close()
    return found


def test_a_suggestion_is_in_the_file_and_in_the_topic(embedded_broker: EmbeddedBroker, tmp_path: Path) -> None:
    kafka = replace(embedded_broker.kafka, topics=Topics(feedback=f"feedback-{uuid.uuid4()}"))
    ensure_topics(kafka, names=(kafka.topics.feedback,))
    asyncio.run(
        Feedback([FeedbackFile(tmp_path / "kept"), FeedbackTopic(kafka, kafka.topics.feedback)]).keep(SUGGESTION)
    )
    expected = {"comment": "hello", "token": "t"}
    for (kept,) in (read_topic(kafka), [json.loads(line) for line in (tmp_path / "kept").read_text().splitlines()]):
        assert {"comment": kept["comment"]["text"], "token": kept["clientToken"]} == expected


def test_what_kafka_does_not_take_is_said() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = KafkaConfig(f"127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(RequestProblem, match="Kafka did not take it") as raised:
            asyncio.run(Feedback([FeedbackTopic(nobody, nobody.topics.feedback, timeout_s=0.2)]).keep(SUGGESTION))
    assert raised.value.status == 503


def test_where_nothing_is_kept_a_suggestion_is_refused() -> None:
    with pytest.raises(RequestProblem, match="nothing is kept here"):
        asyncio.run(Feedback().keep(SUGGESTION))


def test_what_people_decide_is_on_its_topic_under_the_posts_id(embedded_broker: EmbeddedBroker) -> None:
    topic = f"decisions-{uuid.uuid4()}"
    kafka = replace(embedded_broker.kafka, topics=Topics(feedback=topic))  # what `read_topic` reads
    ensure_topics(kafka, names=(topic,))
    with serving(FakeScorer(), decisions=Feedback([FeedbackTopic(kafka, topic)])) as url:
        told = httpx.post(f"{url}/v1/decisions", json=[{"post_id": "p", "decision": "allow"}] * 2)
        wrong = httpx.post(f"{url}/v1/decisions", json={"post_id": "p", "decision": "block", "labels": {"x": 1}})
        none = httpx.post(f"{url}/v1/decisions", json=[])
    assert (told.status_code, told.json()) == (200, {"kept": 2})
    assert (wrong.status_code, none.status_code) == (400, 400)
    assert read_topic(kafka) == [{"post_id": "p", "decision": "allow"}] * 2


def test_where_decisions_are_not_kept_they_are_refused() -> None:
    with serving(FakeScorer()) as url:
        assert httpx.post(f"{url}/v1/decisions", json={"post_id": "p", "decision": "allow"}).status_code == 501
