"""Apache Kafka, started natively: data on disk, passwords, large messages, and a cluster that loses a broker."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import psutil
import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ConfigResource

from sluice.config import KafkaConfig, Topics
from sluice.kafka import ensure_topics, recognise
from sluice.local.kafka import NativeKafka

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


def publish(kafka: KafkaConfig, topic: str, values: Iterable[bytes]) -> list[object]:
    """Send with all acknowledgements; returns the errors."""
    errors: list[object] = []
    settings = {"enable.idempotence": True, "message.max.bytes": 5_000_000, "log_level": 0}
    producer = Producer({**kafka.librdkafka(), **settings})
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: errors.append(error) if error else None)
        producer.poll(0)
    assert producer.flush(60) == 0
    return errors


def read_to_the_end(kafka: KafkaConfig, topic: str) -> list[bytes]:
    settings = {"group.id": "reader", "auto.offset.reset": "earliest", "enable.partition.eof": True, "log_level": 0}
    consumer = Consumer({**kafka.librdkafka(), **settings, "enable.auto.commit": False})
    consumer.subscribe([topic])
    values: list[bytes] = []
    ended: set[int] = set()
    while len(ended) < 4:
        message = consumer.poll(60)
        assert message is not None, "no answer for a minute"
        if message.error():
            ended.add(message.partition())
        else:
            values.append(message.value())
    consumer.close()
    return values


def test_a_password_opens_the_other_listener(password_kafka: KafkaConfig) -> None:
    assert publish(password_kafka, "moderation.reviews", [b"with a password"]) == []
    assert not recognise(password_kafka).embedded


def test_a_wrong_password_does_not(password_kafka: KafkaConfig) -> None:
    settings = {**password_kafka.librdkafka(), "sasl.password": "wrong", "log_level": 0}
    with pytest.raises(KafkaException):
        AdminClient(settings).list_topics(timeout=3)


def test_messages_of_3_mib_pass_and_of_4_5_mb_do_not(kafka_broker: NativeKafka) -> None:
    assert publish(kafka_broker.kafka, "moderation.reviews", [b"x" * (3 * 2**20)]) == []
    (error,) = publish(kafka_broker.kafka, "moderation.reviews", [b"x" * 4_500_000])
    assert "too large" in str(error).lower()


def test_a_restart_keeps_the_data(make_kafka: Callable[[int], NativeKafka]) -> None:
    cluster = make_kafka(1)
    sent = [b"%d" % number for number in range(200)]
    with cluster:
        cluster.wait_until_ready(90)
        assert publish(cluster.kafka, cluster.kafka.topics.posts, sent) == []
    assert cluster.pids == [None]
    with cluster:
        cluster.wait_until_ready(90)
        assert sorted(read_to_the_end(cluster.kafka, cluster.kafka.topics.posts), key=int) == sent


def test_three_nodes_lose_one_and_nothing_else(make_kafka: Callable[[int], NativeKafka]) -> None:
    cluster = make_kafka(3)
    with cluster:
        cluster.wait_until_ready(120)
        kafka, pids = cluster.kafka, cluster.pids
        cluster.kill_broker(1)
        sent = [b"%d" % number for number in range(1000)]
        assert publish(kafka, kafka.topics.posts, sent) == []
        assert sorted(read_to_the_end(kafka, kafka.topics.posts), key=int) == sent
        cluster.start_broker(1)
        cluster.check()
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)


def test_topics_are_made_with_the_retention_that_was_asked_for(kafka_broker: NativeKafka) -> None:
    topics = Topics(
        posts="kept.posts", verdicts="kept.verdicts", policies="kept.policies"
    )  # fmt: skip
    keeps = (("kept.posts", 3_600_000), ("kept.verdicts", -1))
    kafka = replace(kafka_broker.kafka, topics=topics, retention_ms=keeps)
    names = ("kept.posts", "kept.verdicts", "kept.policies")
    ensure_topics(kafka, names=names)
    admin = AdminClient(kafka.librdkafka())
    asked = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name) for name in names])
    told = {one.name: {name: entry.value for name, entry in future.result().items()} for one, future in asked.items()}
    assert (told["kept.posts"]["retention.ms"], told["kept.posts"]["segment.ms"]) == ("3600000", "3600000")
    assert (told["kept.verdicts"]["retention.ms"], told["kept.verdicts"]["segment.ms"]) == ("-1", "86400000")
    assert told["kept.policies"]["cleanup.policy"] == "compact"
    assert told["kept.policies"]["max.compaction.lag.ms"] == "86400000"
