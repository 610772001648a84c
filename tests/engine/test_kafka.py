"""How Kafka is reached. The broker is librdkafka's own; what needs Apache Kafka is tested with it elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from sluice.config import KafkaConfig
from sluice.errors import KafkaUnavailable, SettingsError
from sluice.kafka import ensure_topics, recognise


def test_missing_topics_are_made_and_a_second_time_is_harmless(kafka: KafkaConfig) -> None:
    ensure_topics(kafka)
    ensure_topics(kafka)
    topics = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=10).topics
    assert set(kafka.topics.all()) <= set(topics)


def test_the_embedded_broker_is_recognised(kafka: KafkaConfig) -> None:
    assert recognise(KafkaConfig(kafka.bootstrap)) == kafka


def test_no_broker_is_an_error_that_names_the_address() -> None:
    nowhere = KafkaConfig(bootstrap="127.0.0.1:1")
    with pytest.raises(KafkaUnavailable, match="127.0.0.1:1"):
        ensure_topics(nowhere, timeout_s=0.5)
    with pytest.raises(KafkaUnavailable, match="127.0.0.1:1"):
        recognise(nowhere, timeout_s=0.5)


def test_a_ca_file_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    kafka = KafkaConfig("127.0.0.1:1", "SSL", ca_file=str(tmp_path / "missing.pem"))
    with pytest.raises(SettingsError, match=r"127.0.0.1:1.*ssl\.ca\.location"):
        ensure_topics(kafka, timeout_s=0.5)


def test_a_password_is_not_shown() -> None:
    kafka = KafkaConfig(security_protocol="SASL_SSL", sasl_username="u", sasl_password="hush")
    assert "hush" not in repr(kafka)
    assert kafka.librdkafka()["sasl.password"] == "hush"
    assert (kafka.uses_sasl, kafka.uses_tls) == (True, True)
