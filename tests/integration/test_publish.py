"""The client and its commands on Apache Kafka, with a password."""

import json
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from typer.testing import CliRunner

from sluice.cli import app
from sluice.client import Outcomes

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


@pytest.fixture
def kafka(password_kafka, monkeypatch, tmp_path):
    config = password_kafka
    monkeypatch.setenv("SLUICE_KAFKA", config.bootstrap)
    monkeypatch.setenv("SLUICE_KAFKA_SECURITY_PROTOCOL", config.security_protocol)
    monkeypatch.setenv("SLUICE_KAFKA_SASL_MECHANISM", config.sasl_mechanism)
    monkeypatch.setenv("SLUICE_KAFKA_SASL_USERNAME", config.sasl_username)
    monkeypatch.setenv("SLUICE_KAFKA_SASL_PASSWORD", config.sasl_password)
    monkeypatch.setenv("SLUICE_MEDIA_STORE", str(tmp_path / "media"))
    return config


def run_sluice(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def posts(kafka):
    """A reader of what is published from now on."""
    consumer = Consumer({**kafka.librdkafka(), "group.id": "test-publish", "auto.offset.reset": "earliest"})
    ends = Outcomes(kafka)  # waits until Kafka answers
    ends.close()
    consumer.subscribe([kafka.topics.posts])
    while not consumer.assignment():
        consumer.poll(0.1)
    yield consumer
    consumer.close()


def read_by_key(consumer, prefix, n):
    found: list[Any] = []
    while len(found) < n:
        message = consumer.poll(30)
        assert message is not None, "no message for 30 seconds"
        if (message.key() or b"").startswith(prefix):
            found.append(message)
    return found


def test_no_window_is_kept_on_a_broker_that_forgets_nothing(kafka, posts, tmp_path):
    lines = tmp_path / "posts.jsonl"
    lines.write_text("".join(json.dumps({"id": f"publish-{n}", "text": "hi"}) + "\n" for n in range(3000)))
    published = run_sluice("publish", lines)
    assert published.exit_code == 0, published.output
    assert "3000 posts published" in published.stderr
    keys = {message.key() for message in read_by_key(posts, b"publish-", 3000)}
    assert keys == {f"publish-{n}".encode() for n in range(3000)}


def test_redrive_is_remembered_by_the_broker(kafka, posts):
    producer = Producer(kafka.librdkafka())
    for n in range(3):
        headers = [("trace", b"7"), ("sluice-reason", b"crashed_worker")]
        producer.produce(kafka.topics.dead_letters, b"{", f"redrive-{n}".encode(), headers=headers)
    assert producer.flush(30) == 0
    first = run_sluice("dead-letters", "redrive", "--reason", "crashed_worker", "--limit", "2")
    assert (first.exit_code, len(first.stdout.splitlines())) == (0, 2), first.output
    second = run_sluice("dead-letters", "redrive", "--reason", "crashed_worker")
    assert len(second.stdout.splitlines()) == 1
    assert run_sluice("dead-letters", "redrive", "--reason", "crashed_worker").stdout == ""
    messages = read_by_key(posts, b"redrive-", 3)
    assert {message.key() for message in messages} == {b"redrive-0", b"redrive-1", b"redrive-2"}
    assert {tuple(message.headers()) for message in messages} == {(("trace", b"7"), ("sluice-redriven", b"1"))}


def test_a_wrong_password_is_one_clear_line(kafka, monkeypatch):
    monkeypatch.setenv("SLUICE_KAFKA_SASL_PASSWORD", "wrong")
    monkeypatch.setenv("SLUICE_START_TIMEOUT_S", "2")
    refused = run_sluice("verdicts")
    assert refused.exit_code == 1
    assert kafka.bootstrap in refused.stderr
    assert "Traceback" not in refused.output
