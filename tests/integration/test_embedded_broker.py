"""The embedded broker as clients see it."""

from __future__ import annotations

import uuid
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from sluice.config import Topics
from sluice.errors import StackError
from sluice.kafka import N_PARTITIONS, recognise
from sluice.local.broker import EmbeddedBroker

pytestmark = pytest.mark.integration


def test_the_four_topics_are_there(embedded_broker: EmbeddedBroker) -> None:
    topics = AdminClient(embedded_broker.kafka.librdkafka()).list_topics(timeout=10).topics
    expected = dict.fromkeys(Topics().all(), N_PARTITIONS)
    assert {name: len(topics[name].partitions) for name in expected} == expected
    assert recognise(embedded_broker.kafka) == embedded_broker.kafka


def test_a_message_comes_back_with_key_and_headers(embedded_broker: EmbeddedBroker) -> None:
    kafka, key = embedded_broker.kafka, uuid.uuid4().bytes
    producer = Producer(kafka.librdkafka())
    producer.produce(kafka.topics.reviews, b"value", key=key, headers=[("sluice-correlation", b"7")])
    assert producer.flush(10) == 0
    consumer = Consumer({**kafka.librdkafka(), "group.id": key.hex(), "auto.offset.reset": "earliest"})
    consumer.subscribe([kafka.topics.reviews])
    message = consumer.poll(20)
    while message is not None and message.key() != key:
        message = consumer.poll(20)
    consumer.close()
    assert message is not None
    assert (message.value(), message.headers()) == (b"value", [("sluice-correlation", b"7")])


def test_another_start_forgets_everything_and_is_small(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)
    for _ in range(2):
        with broker:
            broker.wait_until_ready(30)
            broker.check()
            kafka = broker.kafka
            producer = Producer(kafka.librdkafka())
            producer.produce(kafka.topics.posts, b"x", partition=0)
            assert producer.flush(10) == 0
            consumer = Consumer({**kafka.librdkafka(), "group.id": "g"})
            _, end = consumer.get_watermark_offsets(TopicPartition(kafka.topics.posts, 0), timeout=10)
            consumer.close()
            assert end == 1
            assert broker.pid is not None
            assert psutil.Process(broker.pid).memory_info().rss < 120e6


def test_a_broker_that_dies_is_noticed(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        broker.wait_until_ready(30)
        assert broker.pid is not None
        process = psutil.Process(broker.pid)
        process.kill()
        psutil.wait_procs([process], timeout=20)
        with pytest.raises(StackError, match="embedded broker"):
            broker.check()
