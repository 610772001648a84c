"""Apache Kafka as child processes on loopback: KRaft, data on disk, one node or three."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from sluice.cache import cache_dir, make_once
from sluice.config import KafkaConfig, SecurityProtocol, Topics
from sluice.errors import StackError
from sluice.kafka import MAX_MESSAGE_BYTES, N_PARTITIONS, ensure_topics
from sluice.local.processes import LOOPBACK, ChildProcess, RunningInside, accepts_tcp, find_free_ports
from sluice.resources import kafka_pom

FETCH_TIMEOUT_S = 300.0
FORMAT_TIMEOUT_S = 60.0
STOP_GRACE_S = 5.0
"""The last nodes of a cluster wait in vain for a majority; a killed node loses nothing that it has acknowledged."""
HEAP = {1: "-Xmx512m", 3: "-Xmx320m"}
"""Per node, by the number of nodes."""
LEAN = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Of Java, for a node and for its disk: it shares few processors with all else and runs for minutes. To compile for
speed, and to collect beside its work, takes more of them than it gives back."""

N_IO_THREADS = 2
"""Of a node, which has one for the network: Kafka's own eight and three are for machines with as many processors."""


@dataclass(frozen=True)
class Listener:
    """A further way into a cluster, for clients that are to show who they are.

    Attributes
    ----------
    name : str
        In capitals.
    properties : mapping of str to object
        Of the brokers; those of the listener alone start with ``listener.name.`` and its name in small letters.
    """

    name: str
    protocol: SecurityProtocol
    properties: Mapping[str, object] = field(default_factory=dict)


def password_listener(username: str, password: str) -> Listener:
    """A listener that asks for a name and a password (SASL/PLAIN)."""
    login = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{username}="{password}";'
    prefix = "listener.name.sasl."
    properties = {f"{prefix}sasl.enabled.mechanisms": "PLAIN", f"{prefix}plain.sasl.jaas.config": login}
    return Listener("SASL", "SASL_PLAINTEXT", properties)


class NativeKafka(RunningInside):
    """A Kafka cluster of our own; stopped and started again on the same `state_dir` it still has its data.

    Parameters
    ----------
    state_dir : Path
        Takes data, configuration and logs under ``kafka-1``, ``kafka-2``, ...
    n_brokers : {1, 3}
        With three, topics have three replicas, of which two must acknowledge: any one broker may be killed.
    topics : Topics
        Made at the start if missing.
    listeners : sequence of Listener
        Beside the one without a password.
    jvm_options : sequence of str
        For the brokers' Java.
    port : int
        Of the first node; 0 takes a free one.
    """

    def __init__(
        self,
        state_dir: Path,
        n_brokers: int = 1,
        topics: Topics = Topics(),  # noqa: B008  (frozen)
        listeners: Sequence[Listener] = (),
        jvm_options: Sequence[str] = (),
        port: int = 0,
    ) -> None:
        self._state_dir = state_dir.resolve()
        self._topics = topics
        self._listeners = tuple(listeners)
        self._jvm_options = tuple(jvm_options)
        ports = find_free_ports((2 + len(listeners)) * n_brokers)
        self._ports, self._controller_ports, *listener_ports = [
            ports[start : start + n_brokers] for start in range(0, len(ports), n_brokers)
        ]
        self._ports[0] = port or self._ports[0]
        self._listener_ports = dict(zip((one.name for one in listeners), listener_ports, strict=True))
        self._nodes: list[ChildProcess] = []

    @property
    def kafka(self) -> KafkaConfig:
        """How to reach it without a password."""
        return KafkaConfig(bootstrap=_addresses(self._ports), topics=self._topics)

    @property
    def n_brokers(self) -> int:
        """How many nodes it has."""
        return len(self._ports)

    def bootstrap_at(self, name: str) -> str:
        """The addresses of one of its `listeners`."""
        return _addresses(self._listener_ports[name])

    @property
    def pids(self) -> list[int | None]:
        """Process ids of the nodes, None for one that does not run."""
        return [node.pid for node in self._nodes]

    def start(self) -> None:
        """Fetch the jars and format the disks where needed, and start the nodes, without waiting for them.

        Raises
        ------
        StackError
            Java or Maven is missing, or one of them failed.
        """
        java = find_program("java", "Java 17 or newer (Debian: apt-get install default-jre-headless)")
        jars = fetch_jars(kafka_pom())
        self._nodes = [self._make_node(java, jars, index) for index in range(len(self._ports))]
        self._state_dir.mkdir(parents=True, exist_ok=True)
        cluster_id = self._cluster_id()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda index: self._prepare_disk(java, jars, cluster_id, index), range(len(self._nodes))))
        try:
            for node in self._nodes:
                node.start()
        except BaseException:
            self.stop()
            raise

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait for every node, make the topics, and wait until all replicas are in step.

        Raises
        ------
        StackError
            A node ended, or none answered before `timeout_s`.
        KafkaUnavailable
            The topics could not be made before `timeout_s`.
        """
        for index in range(len(self._nodes)):
            self._wait_for_node(index, timeout_s)
        ensure_topics(self.kafka, timeout_s)
        self._nodes[0].wait_until_ready(self._is_replicated, timeout_s)

    def check(self) -> None:
        """Raise `StackError` if a node has ended by itself."""
        for node in self._nodes:
            node.check()

    def stop(self) -> None:
        """Stop every node; the data stay."""
        for node in self._nodes:
            node.terminate()
        for node in self._nodes:
            node.stop()

    def kill_broker(self, index: int) -> None:
        """SIGKILL one node."""
        self._nodes[index].kill()

    def suspend_broker(self, index: int) -> None:
        """SIGSTOP one node."""
        self._nodes[index].suspend()

    def resume_broker(self, index: int, timeout_s: float = 60.0) -> None:
        """SIGCONT a node, and wait until it is in step with the others."""
        self._nodes[index].resume()
        self._nodes[index].wait_until_ready(self._is_replicated, timeout_s)

    def start_broker(self, index: int, timeout_s: float = 60.0) -> None:
        """Start a killed node again on its data, and wait until it is in step with the others."""
        self._nodes[index].start()
        self._wait_for_node(index, timeout_s)
        self._nodes[index].wait_until_ready(self._is_replicated, timeout_s)

    def _is_replicated(self) -> bool:
        """Whether every replica of every partition is in step: only then may a broker die."""
        admin = AdminClient({**self.kafka.librdkafka(), "log_level": 0})
        try:
            topics = admin.list_topics(timeout=2.0).topics.values()
        except KafkaException:
            return False
        partitions = [partition for topic in topics for partition in topic.partitions.values()]
        return all(len(partition.isrs) == len(partition.replicas) for partition in partitions)

    def _wait_for_node(self, index: int, timeout_s: float) -> None:
        port = self._ports[index]
        self._nodes[index].wait_until_ready(lambda: accepts_tcp(port), timeout_s)

    def _make_node(self, java: str, jars: Path, index: int) -> ChildProcess:
        heap = HEAP.get(len(self._ports), "-Xmx320m")
        options = ["-Xms128m", heap, *LEAN, *self._jvm_options, "-Dlog4j2.level=WARN"]
        command = [java, *options, "-cp", f"{jars}/*", "kafka.Kafka"]
        log = self._node_dir(index) / "kafka.log"
        address = f"{LOOPBACK}:{self._ports[index]}"
        command.append(str(self._properties(index)))
        return ChildProcess(f"Kafka node {index + 1}", command, log, address, grace_s=STOP_GRACE_S)

    def _prepare_disk(self, java: str, jars: Path, cluster_id: str, index: int) -> None:
        """Write the node's properties, and format its disk the first time."""
        self._node_dir(index).mkdir(parents=True, exist_ok=True)
        self._properties(index).write_text(self._write_properties(index))
        if not (self._node_dir(index) / "data" / "meta.properties").exists():
            tool = [java, *LEAN, "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format", "-t", cluster_id]
            run_program([*tool, "-c", str(self._properties(index))], FORMAT_TIMEOUT_S)

    def _node_dir(self, index: int) -> Path:
        return self._state_dir / f"kafka-{index + 1}"

    def _properties(self, index: int) -> Path:
        return self._node_dir(index) / "server.properties"

    def _cluster_id(self) -> str:
        """Return the cluster's id, the same for every node and every start; made once, before the nodes need it."""
        path = self._state_dir / "kafka-cluster-id"
        if not path.exists():
            path.write_text(make_cluster_id())
        return path.read_text()

    def _write_properties(self, index: int) -> str:
        listeners = [f"PLAINTEXT://{LOOPBACK}:{self._ports[index]}"]
        listeners += [f"{name}://{LOOPBACK}:{ports[index]}" for name, ports in self._listener_ports.items()]
        protocols = ["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT"]
        protocols += [f"{one.name}:{one.protocol}" for one in self._listeners]
        controller = f"CONTROLLER://{LOOPBACK}:{self._controller_ports[index]}"
        voters = enumerate(self._controller_ports, start=1)
        properties = {
            "process.roles": "broker,controller",
            "node.id": index + 1,
            "controller.quorum.voters": ",".join(f"{node}@{LOOPBACK}:{port}" for node, port in voters),
            "controller.listener.names": "CONTROLLER",
            "listeners": ",".join([*listeners, controller]),
            "advertised.listeners": ",".join(listeners),
            "listener.security.protocol.map": ",".join(protocols),
            "log.dirs": self._node_dir(index) / "data",
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "replica.fetch.max.bytes": MAX_MESSAGE_BYTES,
            "num.partitions": N_PARTITIONS,
            "num.network.threads": 1,
            "num.io.threads": N_IO_THREADS,
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": 0,
            **_replication(len(self._ports)),
            **{name: value for listener in self._listeners for name, value in listener.properties.items()},
        }
        return "".join(f"{key}={value}\n" for key, value in properties.items())


def make_cluster_id() -> str:
    """16 random bytes in URL-safe base64; never with a dash in front, which Kafka's tool takes for an option."""
    made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return make_cluster_id() if made.startswith("-") else made


def _replication(n_brokers: int) -> dict[str, object]:
    n_replicas = min(3, n_brokers)
    n_in_sync = max(1, n_replicas - 1)
    return {
        "default.replication.factor": n_replicas,
        "min.insync.replicas": n_in_sync,
        "offsets.topic.replication.factor": n_replicas,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": n_replicas,
        "transaction.state.log.min.isr": n_in_sync,
        "transaction.state.log.num.partitions": 8,
        "share.coordinator.state.topic.replication.factor": n_replicas,
        "share.coordinator.state.topic.min.isr": n_in_sync,
    }


def _addresses(ports: Sequence[int]) -> str:
    return ",".join(f"{LOOPBACK}:{port}" for port in ports)


def fetch_jars(pom: Path) -> Path:
    """Return the folder of Kafka's jars, fetched through Maven the first time a pom is seen.

    Raises
    ------
    StackError
        The pom is not there (it belongs to the checkout), Maven is missing, or it failed.
    """
    if not pom.exists():
        raise StackError(f"{pom} is missing: Kafka is started natively from a checkout only")
    version = hashlib.sha256(pom.read_bytes()).hexdigest()[:16]

    def fetch(target: Path) -> None:
        maven = find_program("mvn", "Maven (Debian: apt-get install maven)")
        goal = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={target}"]
        run_program(goal, FETCH_TIMEOUT_S)

    return make_once(cache_dir() / f"kafka-{version}", fetch)


def find_program(name: str, install: str) -> str:
    """Return the path of a program; raises `StackError` that says what to install."""
    found = shutil.which(name)
    if found is None:
        raise StackError(f"{name} is not on the PATH: starting Apache Kafka needs {install}")
    return found


def run_program(command: list[str], timeout_s: float) -> None:
    """Run a program to its end; raises `StackError` with the end of its output if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"{command[0]} failed: {error}") from error
    if done.returncode:
        raise StackError(f"{command[0]} failed with status {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
