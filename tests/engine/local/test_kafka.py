"""What Apache Kafka is told, and what is said when it cannot be started. The brokers themselves: tests/integration."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from sluice.errors import StackError
from sluice.local.kafka import NativeKafka, fetch_jars, find_program, make_cluster_id, password_listener, run_program
from sluice.resources import kafka_pom
from tests.components import wait_for


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


def write_program(folder: Path, name: str, script: str) -> None:
    """A program of that name that comes first on the path."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Maven that leaves one jar, and a Java whose nodes run on; both note how they are called."""
    folder = tmp_path / "bin"
    fetch = 'target="${6#-DoutputDirectory=}"; mkdir -p "$target"; touch "$target/k.jar"'
    run = 'case "$*" in *StorageTool*) exit 0;; esac; exec sleep 600'
    write_program(folder, "mvn", f'echo "$@" >> {tmp_path}/mvn.log; {fetch}')
    write_program(folder, "java", f'echo "$@" >> {tmp_path}/java.log; {run}')
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLUICE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def calls(programs: Path, name: str) -> list[str]:
    log = programs / f"{name}.log"
    return log.read_text().splitlines() if log.exists() else []


def test_jars_are_fetched_once_for_each_pom(programs: Path) -> None:
    poms = [programs / "one.xml", programs / "two.xml"]
    for pom in poms:
        pom.write_text(f"<project>{pom.name}</project>")
    found = [fetch_jars(pom) for pom in (*poms, *poms)]
    assert found[:2] == found[2:]
    assert found[0] != found[1]
    assert all((folder / "k.jar").exists() for folder in found)
    assert len(calls(programs, "mvn")) == 2


def test_jars_that_could_not_be_fetched_are_fetched_again(programs: Path) -> None:
    write_program(programs / "bin", "mvn", "echo no network; exit 1")
    for _ in range(2):
        with pytest.raises(StackError, match="status 1: no network"):
            fetch_jars(kafka_pom())
    assert list((programs / "cache").iterdir()) == []


@pytest.mark.parametrize("n_brokers", [1, 3])
def test_every_node_formats_its_disk_and_runs(programs: Path, n_brokers: int) -> None:
    cluster = NativeKafka(programs / "state", n_brokers, jvm_options=["-Dmade.up=1"])
    assert cluster.pids == []
    with cluster:
        assert None not in cluster.pids
        wait_for(lambda: len(calls(programs, "java")) == 2 * n_brokers, "every node is called")
    formats = [call for call in calls(programs, "java") if "StorageTool" in call]
    nodes = [call for call in calls(programs, "java") if "StorageTool" not in call]
    assert len({call.split(" -t ")[1].split()[0] for call in formats}) == 1  # one cluster
    assert len({call.split()[-1] for call in nodes}) == n_brokers  # each with properties of its own
    assert all("-Dmade.up=1" in call and "kafka.Kafka" in call for call in nodes)
    assert cluster.pids == [None] * n_brokers


def test_a_disk_that_has_data_is_not_formatted_again(programs: Path) -> None:
    data = programs / "state" / "kafka-1" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").touch()
    with NativeKafka(programs / "state"):
        wait_for(lambda: calls(programs, "java"), "the node is called")
    assert not [call for call in calls(programs, "java") if "StorageTool" in call]


def test_the_next_start_is_of_the_same_cluster(programs: Path) -> None:
    identifiers = set()
    for _ in range(2):
        with NativeKafka(programs / "state"):
            identifiers.add((programs / "state" / "kafka-cluster-id").read_text())
    assert len(identifiers) == 1


def test_a_disk_that_cannot_be_formatted_starts_no_node(programs: Path) -> None:
    write_program(programs / "bin", "java", "echo Invalid cluster.id; exit 2")
    cluster = NativeKafka(programs / "state")
    with pytest.raises(StackError, match=r"status 2: Invalid cluster\.id"):
        cluster.start()
    assert cluster.pids == [None]


def test_one_node_of_three_is_killed_suspended_and_started_by_its_number(programs: Path) -> None:
    with NativeKafka(programs / "state", 3) as cluster:
        first, _, third = cluster.pids
        cluster.kill_broker(1)
        assert cluster.pids == [first, None, third]
        cluster.check()  # one that was killed on purpose has not ended by itself
        process = psutil.Process(first)
        cluster.suspend_broker(0)
        wait_for(lambda: process.status() == psutil.STATUS_STOPPED, "the first stands still")
        process.resume()


def test_a_node_that_ends_by_itself_is_named(programs: Path) -> None:
    with NativeKafka(programs / "state", 3) as cluster:
        process = psutil.Process(cluster.pids[2])
        process.kill()
        psutil.wait_procs([process], timeout=20)
        with pytest.raises(StackError, match="Kafka node 3 at .* ended with status"):
            cluster.check()


def test_a_cluster_that_does_not_answer_is_not_in_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = NativeKafka(tmp_path)
    monkeypatch.setattr(cluster, "_ports", [1])
    assert not cluster._is_replicated()


def test_an_unknown_listener_has_no_address(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="SSL"):
        NativeKafka(tmp_path, listeners=[password_listener("u", "made-up")]).bootstrap_at("SSL")
