"""Everything that can break: brokers, Triton, the link to it, workers, and a host that never answers."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from sluice.chaos.histories import worker_settings
from sluice.chaos.link import Link
from sluice.chaos.memory import MemoryWatch
from sluice.chaos.silence import SilentServer
from sluice.config import KafkaConfig, Topics
from sluice.errors import StackError
from sluice.kafka import ensure_topics
from sluice.local.kafka import NativeKafka
from sluice.local.stack import WORKER_COMMAND, Stack, StackConfig
from sluice.local.supervision import Supervisor
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository

START_S = 120.0
POLL_S = 0.1
DEADLINE_MS = 5_000
WORKER_SETTINGS = {
    "SLUICE_SESSION_TIMEOUT_S": "6",  # the least that Kafka takes: a dead worker's partitions come back after it
    "SLUICE_DEADLINE_MS": str(DEADLINE_MS),
    "SLUICE_MAX_DEADLINE_MS": str(DEADLINE_MS),
    "SLUICE_MEDIA_ALLOW_PRIVATE": "1",  # the silent host is on loopback
}
CONTROLS = ("unordered", "commit-first")
"""Workers that acknowledge wrongly: `sluice.chaos.controls` runs them."""


@dataclass(frozen=True)
class StageConfig:
    """What to set up.

    Attributes
    ----------
    state_dir : Path
        Takes logs and Kafka's data.
    topics : Topics
        The main run's; each control has its own beside them.
    kafka : KafkaConfig or None
        A cluster that exists; then no broker is broken. None starts three brokers.
    n_workers : int
    """

    state_dir: Path
    topics: Topics
    kafka: KafkaConfig | None = None
    n_workers: int = 2


class Stage:
    """A context manager: the servers and workers run inside it, and nothing of them after it.

    Raises
    ------
    StackError
        On entering: a server cannot run here, or was not ready in time.
    """

    def __init__(self, config: StageConfig) -> None:
        self.config = config
        self.brokers = None if config.kafka else NativeKafka(config.state_dir, 3, config.topics)
        self.triton = TritonServer(triton_repository(), config.state_dir)
        self._supervisor = Supervisor("Triton", self.triton)
        self.link = Link(self.triton.address)
        self.silence = SilentServer()
        self.memory = MemoryWatch()
        self.workers: list[Stack] = []
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            for server in (self.brokers, self.triton, self.link, self.silence, self.memory):
                if server is not None:
                    cleanup.enter_context(server)
            if self.brokers:
                self.brokers.wait_until_ready(START_S)
            ensure_topics(self.kafka, START_S)
            self.triton.wait_until_ready(START_S)
            # Its Python backend may abort when it goes on after a stop: like every server, it is started again.
            cleanup.enter_context(self._supervisor)
            for number in range(self.config.n_workers):
                self.workers.append(cleanup.enter_context(self.make_worker(f"worker-{number + 1}")))
            self._watch_memory()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    @property
    def kafka(self) -> KafkaConfig:
        """How to reach the brokers, with the main run's topics."""
        return self.brokers.kafka if self.brokers else self.config.kafka or KafkaConfig()

    def wait_for_triton(self, timeout_s: float) -> None:
        """Wait until Triton answers, once it has crashed; raises `StackError` if it is not started again by then."""
        until = time.monotonic() + timeout_s
        while not self.triton.is_ready():
            self._supervisor.check()
            if time.monotonic() > until:
                raise StackError(f"Triton was not started again within {timeout_s:g} s")
            time.sleep(POLL_S)

    def make_worker(self, name: str, kafka: KafkaConfig | None = None, command: tuple[str, ...] | None = None) -> Stack:
        """A worker that is not started yet; another `command` than the usual one makes it a control."""
        return Stack(
            StackConfig(
                self.config.state_dir / name,
                triton_repository(),
                kafka=kafka or self.kafka,
                triton=self.link.address,
                start_timeout_s=START_S,
                worker_environment={
                    **WORKER_SETTINGS,
                    **worker_settings(self.history_folder(name)),
                    "SLUICE_GROUP": (kafka or self.kafka).topics.posts,
                },
                worker_command=command or WORKER_COMMAND,
            )
        )

    def history_folder(self, name: str) -> Path:
        """Where a worker keeps what it remembers of authors."""
        return self.config.state_dir / name / "history"

    def make_control(self, kind: str, topics: Topics) -> Stack:
        """A worker that acknowledges wrongly, on topics of its own; not started yet."""
        kafka = replace(self.kafka, topics=topics)
        return self.make_worker(f"control-{kind}", kafka, (sys.executable, "-m", "sluice.chaos.controls", kind))

    def _watch_memory(self) -> None:
        self.memory.watch("worker", lambda: [worker.worker_pid for worker in self.workers])
        self.memory.watch("triton", lambda: [self.triton.pid])
