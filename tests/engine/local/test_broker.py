"""How the embedded broker says where it is. The broker itself: tests/integration."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer

from sluice.config import KafkaConfig, Topics
from sluice.errors import StackError
from sluice.kafka import recognise
from sluice.local import broker
from sluice.local.broker import EmbeddedBroker, _write_report
from sluice.local.mock_cluster import MockCluster
from sluice.local.processes import find_free_ports
from tests.components import wait_for


def test_its_address_is_read_from_what_it_reports(tmp_path: Path) -> None:
    own = EmbeddedBroker(tmp_path, Topics("in"))
    _write_report(tmp_path / "broker.json", "127.0.0.1:7,127.0.0.1:8")
    assert own.kafka == KafkaConfig("127.0.0.1:7,127.0.0.1:8", topics=Topics("in"), embedded=True)


def test_a_report_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    report = tmp_path / "broker.json"
    _write_report(report, "127.0.0.1:7")
    _write_report(report, "127.0.0.1:8")
    assert json.loads(report.read_text()) == {"bootstrap": "127.0.0.1:8"}
    assert [path.name for path in tmp_path.iterdir()] == ["broker.json"]


def test_before_it_has_reported_there_is_no_address(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        EmbeddedBroker(tmp_path).kafka  # noqa: B018


@pytest.mark.parametrize("n_brokers", [1, 3])
def test_every_broker_of_the_cluster_is_named(n_brokers: int) -> None:
    with MockCluster(n_brokers) as cluster:
        found = cluster.bootstrap.split(",")
        assert len(set(found)) == n_brokers
        assert all(address.startswith("127.0.0.1:") for address in found)
        assert recognise(KafkaConfig(cluster.bootstrap)).embedded


def test_a_group_gets_its_partitions() -> None:
    with MockCluster(1) as cluster:
        settings = {"bootstrap.servers": cluster.bootstrap, "log_level": 0}
        producer = Producer(settings)
        producer.produce("t", b"first")
        producer.flush()
        with closing(Consumer({**settings, "group.id": "g", "auto.offset.reset": "earliest"})) as consumer:
            consumer.subscribe(["t"])
            message = wait_for(lambda: consumer.poll(1.0), "the message")
    assert message.value() == b"first"


def test_one_that_was_not_started_has_nothing_to_stop_or_check(tmp_path: Path) -> None:
    own = EmbeddedBroker(tmp_path)
    own.check()
    own.stop()
    assert own.pid is None


def test_the_address_of_an_earlier_run_is_not_taken_for_this_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_report(tmp_path / "broker.json", "127.0.0.1:7")
    own = EmbeddedBroker(tmp_path)
    monkeypatch.setattr(own._process, "_command", ["sh", "-c", "echo no port; exit 3"])
    with own, pytest.raises(StackError, match=r"the embedded broker at a free port of 127\.0\.0\.1.*status 3"):
        own.wait_until_ready(20)
    assert "no port" in (tmp_path / "broker.log").read_text()


def test_it_is_run_as_a_module_of_this_package(tmp_path: Path) -> None:
    command = EmbeddedBroker(tmp_path)._process._command
    assert command[1:3] == ["-m", broker.__name__]
    assert command[3:5] == ["--report", str(tmp_path / "broker.json")]


def test_it_is_reached_at_a_port_of_our_choice(tmp_path: Path) -> None:
    (port,) = find_free_ports(1)
    with EmbeddedBroker(tmp_path, Topics("in"), port) as own:
        own.wait_until_ready(60)
        assert own.kafka.bootstrap == f"127.0.0.1:{port}"
        assert recognise(own.kafka) == own.kafka
        producer = Producer(own.kafka.librdkafka())
        producer.produce("in", b"hello")
        assert producer.flush(30) == 0
