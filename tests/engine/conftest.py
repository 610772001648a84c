"""An embedded broker for the tests of the clients."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from sluice.config import KafkaConfig
from sluice.kafka import N_PARTITIONS, ensure_topics


@pytest.fixture
def kafka() -> Iterator[KafkaConfig]:
    """A fresh librdkafka mock cluster with the topics on it."""
    broker = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1, "log_level": 0})
    brokers = broker.list_topics(timeout=10).brokers.values()
    config = KafkaConfig(",".join(f"{one.host}:{one.port}" for one in brokers), embedded=True)
    ensure_topics(config)
    yield config
    del broker


Answer = Callable[[Message], list[tuple[str, bytes, list[tuple[str, bytes]]]]]
"""Stands in for a worker: topic, value and extra headers of each message that a post gives."""


@pytest.fixture
def start_worker(kafka: KafkaConfig) -> Iterator[Callable[[Answer], None]]:
    """Start stand-ins for a worker: they read posts and write what the function answers, headers carried along."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(answer: Answer) -> None:
        thread = threading.Thread(target=_answer_posts, args=(kafka, answer, stop), daemon=True)
        thread.start()
        threads.append(thread)

    yield start
    stop.set()
    for thread in threads:
        thread.join(10)


def _answer_posts(kafka: KafkaConfig, answer: Answer, stop: threading.Event) -> None:
    consumer = Consumer(
        {**kafka.librdkafka(), "group.id": "worker", "auto.offset.reset": "earliest", "fetch.wait.max.ms": 5}
    )
    producer = Producer({**kafka.librdkafka(), "linger.ms": 0})
    # Assigned, not subscribed: joining a group takes the embedded broker three seconds.
    consumer.assign([TopicPartition(kafka.topics.posts, number, 0) for number in range(N_PARTITIONS)])
    while not stop.is_set():
        message = consumer.poll(0.05)
        if message is not None and message.error() is None:
            for topic, value, headers in answer(message):
                producer.produce(topic, value, message.key(), headers=[*(message.headers() or []), *headers])
            producer.poll(0)
    producer.flush(5)
    consumer.close()
