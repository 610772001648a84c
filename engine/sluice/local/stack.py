"""The embedded stack: a broker, Triton and a worker, each a child process, on free loopback ports."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from sluice.config import KafkaConfig
from sluice.local.broker import EmbeddedBroker
from sluice.local.kafka import NativeKafka
from sluice.local.ports import Ports, require_free
from sluice.local.processes import LOOPBACK, ChildProcess, answers_http, find_free_ports, python_path
from sluice.local.supervision import Supervisor
from sluice.local.triton import TritonServer

WORKER_COMMAND = (sys.executable, "-m", "sluice", "worker")
SERVE_COMMAND = (sys.executable, "-m", "sluice", "serve")
WORKER_GRACE_S = 60.0
"""A worker finishes the posts in flight; it bounds that itself, so this is only the last resort."""


@dataclass(frozen=True)
class StackConfig:
    """What to start, and what exists already.

    Attributes
    ----------
    state_dir : Path
        Takes logs, the broker's data and the media store.
    triton_repo : Path
        The model repository.
    broker : {"embedded", "kafka"}
        librdkafka's mock cluster, or Apache Kafka.
    kafka : KafkaConfig or None
        An existing cluster, instead of a broker.
    triton : str or None
        ``host:port`` of an existing Triton's gRPC, instead of one.
    start_timeout_s : float
        For all of it together, in seconds.
    worker : bool
        Whether to start a worker.
    worker_environment : mapping of str to str
        Further settings of the worker.
    ports : Ports
        Fixed ones of what is started; 0 takes a free one.
    http : bool
        Whether to serve scoring over HTTP too.
    worker_command : tuple of str
        What runs the worker.
    """

    state_dir: Path
    triton_repo: Path
    broker: Literal["embedded", "kafka"] = "embedded"
    kafka: KafkaConfig | None = None
    triton: str | None = None
    start_timeout_s: float = 120.0
    worker: bool = True
    worker_environment: Mapping[str, str] = field(default_factory=dict)
    ports: Ports = field(default_factory=Ports)
    http: bool = False
    worker_command: tuple[str, ...] = WORKER_COMMAND

    @property
    def media_store(self) -> Path:
        """Where publishers put media, and from where the worker reads them."""
        return self.state_dir / "media"


@dataclass(frozen=True)
class Addresses:
    """Where the stack's servers are.

    Attributes
    ----------
    kafka, triton : str
        ``host:port``; Kafka's may be several, separated by commas; Triton's is gRPC.
    metrics : str
        Base URL of the worker's ``/metrics``, ``/healthz`` and ``/readyz``.
    http : str or None
        Base URL of scoring over HTTP, where it is served.
    """

    kafka: str
    triton: str
    metrics: str
    http: str | None = None


class Server(Protocol):
    """What the stack asks of a server that it starts."""

    def start(self) -> None: ...  # noqa: D102
    def wait_until_ready(self, timeout_s: float) -> None: ...  # noqa: D102
    def check(self) -> None: ...  # noqa: D102
    def stop(self) -> None: ...  # noqa: D102


class Stack:
    """A context manager: the servers run inside it, and nothing of them after it.

    Parameters
    ----------
    config : StackConfig

    Raises
    ------
    StackError
        On entering: a server ended, cannot run here, or was not ready in time; names its address and log.
    KafkaUnavailable
        On entering: the topics could not be made in time; names the address.
    """

    def __init__(self, config: StackConfig) -> None:
        self.config = config
        self._broker: EmbeddedBroker | NativeKafka | None = None
        self._triton: TritonServer | None = None
        self._supervisor: Supervisor | None = None
        self._worker: ChildProcess | None = None
        self._http: ChildProcess | None = None
        self._metrics_port = config.ports.metrics
        self._http_port = config.ports.http
        self._deadline = 0.0

    def __enter__(self) -> Self:
        self._deadline = time.monotonic() + self.config.start_timeout_s
        require_free(self.config.ports)
        try:
            self._start_servers()
            if self.config.http:
                self._start_http()
            if self.config.worker:
                self.start_worker(self._remaining_s())
            if self._http:
                self._http.wait_until_ready(lambda: answers_http(f"{self.addresses.http}/readyz"), self._remaining_s())
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def kafka(self) -> KafkaConfig:
        """How to reach Kafka, ours or the existing one."""
        if self._broker is not None:
            return self._broker.kafka
        return self.config.kafka or KafkaConfig()

    @property
    def triton(self) -> str:
        """``host:port`` of Triton's gRPC, ours or the existing one."""
        return self._triton.address if self._triton else self.config.triton or ""

    @property
    def addresses(self) -> Addresses:
        """Where everything is."""
        http = f"http://{LOOPBACK}:{self._http_port}" if self._http else None
        return Addresses(self.kafka.bootstrap, self.triton, f"http://{LOOPBACK}:{self._metrics_port}", http)

    @property
    def ports(self) -> Ports:
        """The ports of what was started, 0 for what was not."""
        kafka = int(self.kafka.bootstrap.rpartition(":")[2]) if self._broker else 0
        triton = int(self.triton.rpartition(":")[2]) if self._triton else 0
        return Ports(kafka, triton, self._metrics_port, self._http_port)

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker while it runs."""
        return self._worker.pid if self._worker else None

    def check(self) -> None:
        """Raise `StackError` if the broker, the worker or scoring over HTTP has ended, or Triton too often."""
        for part in (self._broker, self._supervisor, self._worker, self._http):
            if part is not None:
                part.check()

    def start_worker(self, timeout_s: float = 60.0) -> None:
        """Start a worker and wait until it is ready for posts; raises `StackError` after `timeout_s`."""
        self._metrics_port = self._metrics_port or find_free_ports(1)[0]
        url = self.addresses.metrics
        self._worker = ChildProcess(
            "the worker",
            self.config.worker_command,
            self.config.state_dir / "worker.log",
            url,
            environment=self._worker_environment(timeout_s),
            grace_s=WORKER_GRACE_S,
        )
        self._worker.start()
        self._worker.wait_until_ready(lambda: answers_http(f"{url}/readyz"), timeout_s)

    def kill_worker(self) -> None:
        """SIGKILL the worker, as a crash would end it."""
        if self._worker:
            self._worker.kill()

    def stop_worker(self) -> None:
        """SIGTERM the worker and wait until it has left."""
        if self._worker:
            self._worker.stop()

    def suspend_worker(self) -> None:
        """SIGSTOP the worker."""
        if self._worker:
            self._worker.suspend()

    def resume_worker(self) -> None:
        """SIGCONT the worker."""
        if self._worker:
            self._worker.resume()

    def stop(self) -> None:
        """Stop the worker, then the servers it needs."""
        children = [child for child in (self._http, self._worker) if child]
        for child in children:
            child.terminate()  # they end together, and somebody waits at a terminal
        for child in children:
            child.stop()
        if self._supervisor:
            self._supervisor.stop()
        for server in self._servers():
            server.stop()

    def _start_servers(self) -> None:
        """Start Triton and the broker, and only then wait for both: the models load meanwhile."""
        if self.config.triton is None:
            port = self.config.ports.triton
            self._triton = TritonServer(self.config.triton_repo, self.config.state_dir, grpc_port=port)
            self._triton.start()
        if self.config.kafka is None:
            self._broker = self._make_broker()
            self._broker.start()
        for server in self._servers():
            server.wait_until_ready(self._remaining_s())
        if self._triton is not None:
            self._supervisor = Supervisor("Triton", self._triton)
            self._supervisor.start()

    def _make_broker(self) -> EmbeddedBroker | NativeKafka:
        if self.config.broker == "kafka":
            return NativeKafka(self.config.state_dir, port=self.config.ports.kafka)
        return EmbeddedBroker(self.config.state_dir, port=self.config.ports.kafka)

    def _start_http(self) -> None:
        """Start ``sluice serve`` on our Triton, without waiting for it."""
        self._http_port = self._http_port or find_free_ports(1)[0]
        port = str(self._http_port)
        command = [*SERVE_COMMAND, "--port", port, "--triton", self.triton, "--feedback-kafka"]
        log, address = self.config.state_dir / "http.log", f"{LOOPBACK}:{self._http_port}"
        environment = {**python_path(), **kafka_environment(self.kafka), **self.config.worker_environment}
        self._http = ChildProcess("scoring over HTTP", command, log, address, environment=environment)
        self._http.start()

    def _servers(self) -> list[Server]:
        return [server for server in (self._broker, self._triton) if server is not None]

    def _remaining_s(self) -> float:
        return max(0.1, self._deadline - time.monotonic())

    def _worker_environment(self, timeout_s: float) -> dict[str, str]:
        """Return the worker's settings; a SLUICE_ variable of our own that we do not set counts there too."""
        return {
            **python_path(),
            **kafka_environment(self.kafka),
            "SLUICE_TRITON": self.triton,
            "SLUICE_METRICS_HOST": LOOPBACK,
            "SLUICE_METRICS_PORT": str(self._metrics_port),
            "SLUICE_MEDIA_STORE": str(self.config.media_store),
            "SLUICE_START_TIMEOUT_S": f"{timeout_s:.1f}",
            **self.config.worker_environment,
        }


def kafka_environment(kafka: KafkaConfig) -> dict[str, str]:
    """The settings by which a worker or a command reaches a cluster."""
    settings: dict[str, str | None] = {
        "SLUICE_KAFKA": kafka.bootstrap,
        "SLUICE_KAFKA_SECURITY_PROTOCOL": kafka.security_protocol,
        "SLUICE_KAFKA_SASL_MECHANISM": kafka.sasl_mechanism,
        "SLUICE_KAFKA_SASL_USERNAME": kafka.sasl_username,
        "SLUICE_KAFKA_SASL_PASSWORD": kafka.sasl_password,
        "SLUICE_KAFKA_CA_FILE": kafka.ca_file,
        "SLUICE_KAFKA_CERTIFICATE_FILE": kafka.certificate_file,
        "SLUICE_KAFKA_KEY_FILE": kafka.key_file,
        "SLUICE_KAFKA_KEY_PASSWORD": kafka.key_password,
        "SLUICE_KAFKA_EMBEDDED": "1" if kafka.embedded else None,
        "SLUICE_TOPIC_POSTS": kafka.topics.posts,
        "SLUICE_TOPIC_VERDICTS": kafka.topics.verdicts,
        "SLUICE_TOPIC_REVIEWS": kafka.topics.reviews,
        "SLUICE_TOPIC_DEAD_LETTERS": kafka.topics.dead_letters,
        "SLUICE_TOPIC_POLICIES": kafka.topics.policies,
        "SLUICE_TOPIC_FEEDBACK": kafka.topics.feedback,
        "SLUICE_TOPIC_LISTS": kafka.topics.lists,
        "SLUICE_TOPIC_HASHES": kafka.topics.hashes,
        "SLUICE_TOPIC_REPORTS": kafka.topics.reports,
        "SLUICE_TOPIC_ERASURES": kafka.topics.erasures,
        "SLUICE_TOPIC_POSTS_HIGH": kafka.topics.posts_high,
    }
    if kafka.oauth is not None:
        settings |= {
            "SLUICE_KAFKA_OAUTH_TOKEN_URL": kafka.oauth.token_url,
            "SLUICE_KAFKA_OAUTH_CLIENT_ID": kafka.oauth.client_id,
            "SLUICE_KAFKA_OAUTH_CLIENT_SECRET": kafka.oauth.client_secret,
            "SLUICE_KAFKA_OAUTH_SCOPE": kafka.oauth.scope,
            "SLUICE_KAFKA_OAUTH_CA_FILE": kafka.oauth.ca_file,
        }
    return {name: value for name, value in settings.items() if value is not None}
