"""kafka-exporter on a real Kafka: what the rules and the dashboard ask for is there.

No package registry carries the exporter, so it is tried only where `kafka_exporter` is on the path. That no
other series is asked for than the exporter's source names is checked everywhere.
"""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from sluice.local.kafka import NativeKafka
from sluice.local.processes import LOOPBACK, ChildProcess, answers_http, find_free_ports
from tests.components import wait_for

OPS = Path(__file__).resolve().parents[2] / "ops"
SERIES = {
    "brokers", "broker_info", "topic_partitions", "topic_partition_current_offset", "topic_partition_oldest_offset",
    "topic_partition_leader", "topic_partition_replicas", "topic_partition_in_sync_replica",
    "topic_partition_leader_is_preferred", "topic_partition_under_replicated_partition",
    "consumergroup_current_offset", "consumergroup_current_offset_sum", "consumergroup_lag", "consumergroup_lag_sum",
    "consumergroup_members",
}  # fmt: skip
"""Without ``kafka_`` before them: `kafka_exporter.go` of version 1.9.0."""
FILES = [OPS / "prometheus" / "rules" / "kafka.yml", OPS / "grafana" / "dashboards" / "sluice-kafka.json"]


def _asked() -> set[str]:
    """Names of Kafka's series in rules and panels."""
    return {name for path in FILES for name in re.findall(r"\bkafka_(\w+)", path.read_text())}


def test_only_series_of_the_exporter_are_asked_for() -> None:
    assert _asked()
    assert _asked() - SERIES == set()


def test_every_panel_has_a_query() -> None:
    panels = json.loads(FILES[1].read_text())["panels"]
    assert all(panel["targets"] for panel in panels if panel["type"] != "row")


@pytest.fixture
def exporter(kafka_broker: NativeKafka, tmp_path: Path) -> Iterator[str]:
    binary = shutil.which("kafka_exporter")
    if binary is None:
        pytest.skip("kafka_exporter is not on the path, and no package registry carries it")
    address = f"{LOOPBACK}:{find_free_ports(1)[0]}"
    command = [binary, f"--kafka.server={kafka_broker.kafka.bootstrap}", f"--web.listen-address={address}",
               "--kafka.version=4.0.0", r"--topic.filter=^moderation\."]  # fmt: skip
    with ChildProcess("kafka-exporter", command, tmp_path / "exporter.log", address) as process:
        process.wait_until_ready(lambda: answers_http(f"http://{address}/metrics"), 60.0)
        yield address


@pytest.mark.integration
@pytest.mark.kafka
def test_what_is_asked_for_is_there(exporter: str, kafka_broker: NativeKafka) -> None:
    _read_one_of_two(kafka_broker.kafka.bootstrap, kafka_broker.kafka.topics.posts)
    lag = re.compile(r'kafka_consumergroup_lag\{consumergroup="watched".*\} 1\n')
    found = wait_for(lambda: page if lag.search(page := _scrape(exporter)) else "", "the group's lag")
    assert {name for name in _asked() if f"\nkafka_{name}" not in found} == set()


def _read_one_of_two(bootstrap: str, topic: str) -> None:
    """Leave a consumer group one message behind, which the brokers know of."""
    producer = Producer({"bootstrap.servers": bootstrap})
    offsets: list[int] = []
    for _ in range(2):
        producer.produce(topic, b"{}", partition=0, on_delivery=lambda _, message: offsets.append(message.offset()))
    producer.flush(30)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "watched"})
    consumer.commit(offsets=[TopicPartition(topic, 0, max(offsets))], asynchronous=False)
    consumer.close()


def _scrape(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        page: str = answer.read().decode()
    return page
