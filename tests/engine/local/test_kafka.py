"""What Apache Kafka is told, and what is said when it cannot be started. The brokers themselves: tests/integration."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.errors import StackError
from sluice.local.kafka import NativeKafka, fetch_jars, find_program, make_cluster_id, password_listener, run_program
from sluice.resources import kafka_pom


def read_properties(cluster: NativeKafka, index: int) -> dict[str, str]:
    return dict(line.split("=", 1) for line in cluster._write_properties(index).splitlines())


def test_one_node_keeps_one_replica(tmp_path: Path) -> None:
    properties = read_properties(NativeKafka(tmp_path), 0)
    assert properties["default.replication.factor"] == "1"
    assert properties["min.insync.replicas"] == "1"
    assert properties["message.max.bytes"] == str(4 * 2**20)
    assert "sasl.enabled.mechanisms" not in properties


def test_three_nodes_keep_three_replicas_and_may_lose_one(tmp_path: Path) -> None:
    cluster = NativeKafka(tmp_path, 3)
    properties = [read_properties(cluster, index) for index in range(3)]
    assert {each["min.insync.replicas"] for each in properties} == {"2"}
    assert {each["default.replication.factor"] for each in properties} == {"3"}
    assert [each["node.id"] for each in properties] == ["1", "2", "3"]
    assert len({each["controller.quorum.voters"] for each in properties}) == 1
    assert len({each["log.dirs"] for each in properties}) == 3
    assert cluster.kafka.bootstrap.count(",") == 2


def test_a_listener_with_a_password_is_one_more(tmp_path: Path) -> None:
    cluster = NativeKafka(tmp_path, 3, listeners=[password_listener("sluice", "made-up")])
    properties = read_properties(cluster, 1)
    _, second, _ = cluster.bootstrap_at("SASL").split(",")
    assert f"SASL://{second}" in properties["advertised.listeners"]
    assert properties["listener.security.protocol.map"].endswith(",SASL:SASL_PLAINTEXT")
    assert "made-up" in properties["listener.name.sasl.plain.sasl.jaas.config"]


def test_a_missing_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=r"java is not on the PATH.*Java 17"):
        NativeKafka(tmp_path).start()
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(StackError, match=r"mvn is not on the PATH.*apt-get install maven"):
        fetch_jars(kafka_pom())


def test_without_a_checkout_the_pom_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"pom\.xml"):
        fetch_jars(tmp_path / "pom.xml")


def test_a_failure_shows_the_end_of_the_output() -> None:
    shell = find_program("sh", "a shell")
    with pytest.raises(StackError, match="status 7: out of disk"):
        run_program([shell, "-c", "echo out of disk; exit 7"], 10)
    with pytest.raises(StackError, match="timed out"):
        run_program([shell, "-c", "sleep 60"], 0.1)
    run_program([shell, "-c", "true"], 10)


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    made = {make_cluster_id() for _ in range(2_000)}  # one in 64 would begin with a dash
    assert len(made) == 2_000
    assert not [identifier for identifier in made if identifier.startswith("-")]
