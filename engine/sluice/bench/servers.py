"""The servers that all rows share, and the ways to start what a row measures on them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from sluice.bench.http_load import HttpLoad
from sluice.bench.kafka_load import KafkaLoad
from sluice.bench.names import RowName
from sluice.bench.overlay import quix_environment
from sluice.bench.peers.options import PeerOptions, write_options
from sluice.bench.plain_model import Precision
from sluice.bench.remote import Remote
from sluice.bench.usage import Roots
from sluice.config import KafkaConfig, Topics
from sluice.kafka import ensure_topics
from sluice.local.broker import EmbeddedBroker
from sluice.local.kafka import NativeKafka
from sluice.local.processes import LOOPBACK, ChildProcess, answers_http, find_free_ports, python_path
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository

START_S = 240.0
PEERS = {
    RowName.faust: "faust_agent",
    RowName.aiokafka: "aiokafka_loop",
    RowName.aiokafka_32bit: "aiokafka_loop",
    RowName.quix: "quix_streams",
    RowName.fastapi: "fastapi_service",
}
"""The module of each peer."""
LIMITS = (RowName.limit_triton, RowName.limit_onnx)
UNREAD = {"SLUICE_PICTURE_TEXT": "0"}
"""The peers do not read text in pictures, so only one row of Sluice does."""
UNHURRIED = {"SLUICE_DEADLINE_MS": "20000"}
"""The peers have no deadlines: with a queue that is always full, a post waits for longer than the usual ones."""
LIKE_PEERS = {**UNREAD, **UNHURRIED}
SETTINGS: dict[RowName, dict[str, str]] = {
    RowName.sluice_bare: {**LIKE_PEERS, "SLUICE_CACHE_MB": "0", "SLUICE_FIRST_STAGE": "0"},
    RowName.sluice: LIKE_PEERS,
    RowName.sluice_2: LIKE_PEERS,
    RowName.sluice_embedded: LIKE_PEERS,
    RowName.sluice_whole: UNHURRIED,
}


@dataclass(frozen=True)
class Running:
    """What a row measures, while it runs.

    Attributes
    ----------
    load : Remote
        Of a `KafkaLoad` or an `HttpLoad`.
    roots : mapping
        Its processes by role, those of the shared servers included.
    worker_pid : callable
        Whom ``--profile`` looks at.
    """

    load: Remote
    roots: Roots
    worker_pid: Callable[[], int | None]


@dataclass
class Servers:
    """A context manager: Triton and Kafka run inside it, as far as the rows need them.

    Attributes
    ----------
    state_dir : Path
        Takes logs and Kafka's data.
    media : Path
        The folder of pictures and clips.
    rows : sequence of RowName
        What will be measured.
    """

    state_dir: Path
    media: Path
    rows: Sequence[RowName]
    _cleanup: ExitStack = field(default_factory=ExitStack)
    _triton: TritonServer | None = None
    _kafka: NativeKafka | None = None
    _embedded: EmbeddedBroker | None = None
    _n_started: int = 0

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            for server in self._make():
                cleanup.callback(server.stop)
                server.start()
            for ready in (self._triton, self._kafka, self._embedded):
                if ready is not None:
                    ready.wait_until_ready(START_S)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    @property
    def triton(self) -> str:
        """``host:port`` of Triton's gRPC."""
        return self._triton.address if self._triton else ""

    def shared_roots(self) -> Roots:
        """The processes of the servers, by role."""
        triton, kafka, embedded = self._triton, self._kafka, self._embedded
        roots: dict[str, Callable[[], list[int | None]]] = {}
        if triton:
            roots["triton"] = lambda: [triton.pid]
        if kafka or embedded:
            roots["kafka"] = lambda: [*(kafka.pids if kafka else ()), embedded.pid if embedded else None]
        return roots

    @contextmanager
    def start(self, row: RowName) -> Iterator[Running]:
        """Start what a row measures, on topics of its own; not yet warm."""
        self._n_started += 1
        name = f"bench-{os.getpid()}-{self._n_started}-{row}"
        with ExitStack() as cleanup:
            if row is RowName.fastapi:
                yield self._start_http(name, cleanup)
            elif row in PEERS:
                yield self._start_peer(row, name, cleanup)
            else:
                yield self._start_sluice(row, name, cleanup)

    def _make(self) -> Iterator[TritonServer | NativeKafka | EmbeddedBroker]:
        if any(row not in PEERS and row is not RowName.limit_onnx for row in self.rows):
            self._triton = TritonServer(triton_repository(), self.state_dir)
            yield self._triton
        on_kafka = set(RowName) - {*LIMITS, RowName.sluice_embedded, RowName.fastapi}
        if on_kafka & set(self.rows):
            self._kafka = NativeKafka(self.state_dir)
            yield self._kafka
        if RowName.sluice_embedded in self.rows:
            self._embedded = EmbeddedBroker(self.state_dir)
            yield self._embedded

    def _topics(self, row: RowName, name: str) -> KafkaConfig:
        broker = self._embedded if row is RowName.sluice_embedded else self._kafka
        if broker is None:
            raise ValueError(f"no broker was started for {row}")
        topics = Topics(*(f"{name}.{kind}" for kind in ("posts", "verdicts", "reviews", "dead-letters", "policies")))
        kafka = replace(broker.kafka, topics=topics)
        ensure_topics(kafka, START_S)
        return kafka

    def _start_sluice(self, row: RowName, name: str, cleanup: ExitStack) -> Running:
        kafka = self._topics(row, name)
        settings = {**SETTINGS[row], "SLUICE_GROUP": name, "SLUICE_MEDIA_ROOTS": str(self.media.resolve())}
        workers = [
            cleanup.enter_context(
                Stack(
                    StackConfig(
                        self.state_dir / f"{name}-{n}",
                        triton_repository(),
                        kafka=kafka,
                        triton=self.triton,
                        start_timeout_s=START_S,
                        worker_environment=settings,
                    )
                )
            )
            for n in range(2 if row is RowName.sluice_2 else 1)
        ]
        load = cleanup.enter_context(Remote(KafkaLoad, kafka))
        load.check = partial(_check_all, workers)
        roots = {"worker": lambda: [worker.worker_pid for worker in workers], **self.shared_roots()}
        return Running(load, roots, lambda: workers[0].worker_pid)

    def _start_peer(self, row: RowName, name: str, cleanup: ExitStack) -> Running:
        kafka = self._topics(row, name)
        precision: Precision = "32bit" if row is RowName.aiokafka_32bit else "8bit"
        options = PeerOptions(kafka.bootstrap, kafka.topics.posts, kafka.topics.verdicts, name, precision)
        environment = quix_environment() if row is RowName.quix else python_path()
        peer = self._peer(row, write_options(options), kafka.bootstrap, environment)
        return self._run_peer(peer, Remote(KafkaLoad, kafka), cleanup)

    def _start_http(self, name: str, cleanup: ExitStack) -> Running:
        (port,) = find_free_ports(1)
        url = f"http://{LOOPBACK}:{port}"
        peer = self._peer(RowName.fastapi, ["--port", str(port)], url, python_path())
        running = self._run_peer(peer, Remote(HttpLoad, f"{url}/score"), cleanup)
        peer.wait_until_ready(lambda: answers_http(f"{url}/ready"), START_S)
        return running

    def _peer(self, row: RowName, options: list[str], address: str, environment: dict[str, str]) -> ChildProcess:
        command = [sys.executable, "-m", f"sluice.bench.peers.{PEERS[row]}", *options]
        return ChildProcess(row, command, self.state_dir / f"{row}.log", address, environment=environment, grace_s=5.0)

    def _run_peer(self, peer: ChildProcess, load: Remote, cleanup: ExitStack) -> Running:
        cleanup.callback(peer.stop)
        peer.start()
        load.check = peer.check
        roots = {"worker": lambda: [peer.pid], **self.shared_roots()}
        return Running(cleanup.enter_context(load), roots, lambda: peer.pid)


def _check_all(workers: Sequence[Stack]) -> None:
    for worker in workers:
        worker.check()
