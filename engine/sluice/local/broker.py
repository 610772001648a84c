"""The embedded broker: librdkafka's mock cluster in a process of its own, speaking Kafka's protocol on loopback.

It keeps 5 MB a partition and silently drops what is older, holds nothing on disk, and knows neither transactions nor
SASL nor the creation of topics (asking for a topic makes it). Real Kafka is in `sluice.local.kafka`.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from sluice.config import KafkaConfig, Topics
from sluice.kafka import ensure_topics
from sluice.local.forwarding import forward
from sluice.local.mock_cluster import MockCluster
from sluice.local.processes import LOOPBACK, ChildProcess, RunningInside, python_path


class EmbeddedBroker(RunningInside):
    """The mock cluster as a child process.

    Parameters
    ----------
    state_dir : Path
        Takes its log and the file in which it reports its address.
    topics : Topics
        Made at the start, each with librdkafka's default of four partitions.
    port : int
        Where clients first connect; 0 takes a free one.
    """

    def __init__(self, state_dir: Path, topics: Topics = Topics(), port: int = 0) -> None:  # noqa: B008  (frozen)
        self._report = state_dir / "broker.json"
        self._topics = topics
        command = [sys.executable, "-m", "sluice.local.broker", "--report", str(self._report), "--port", str(port)]
        log = state_dir / "broker.log"
        self._process = ChildProcess(
            "the embedded broker", command, log, f"a free port of {LOOPBACK}", environment=python_path()
        )

    @property
    def kafka(self) -> KafkaConfig:
        """How to reach it; only when it is ready."""
        return KafkaConfig(json.loads(self._report.read_text())["bootstrap"], topics=self._topics, embedded=True)

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid

    def start(self) -> None:
        """Start it, without waiting."""
        self._report.unlink(missing_ok=True)
        self._process.start()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait for its address and make the topics; raises `StackError` after `timeout_s`."""
        self._process.wait_until_ready(self._report.exists, timeout_s)
        ensure_topics(self.kafka, timeout_s)

    def check(self) -> None:
        """Raise `StackError` if it has ended by itself."""
        self._process.check()

    def stop(self) -> None:
        """Stop it; what it held is gone."""
        self._process.stop()


def main(
    report: Annotated[Path, typer.Option(help="Where to write the address, as JSON.")],
    brokers: Annotated[int, typer.Option(min=1, help="How many brokers to simulate.")] = 1,
    port: Annotated[int, typer.Option(min=0, help="Where clients first connect; 0 takes a free one.")] = 0,
) -> None:
    """Run librdkafka's mock cluster until SIGTERM."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with MockCluster(brokers) as cluster:
        bootstrap = cluster.bootstrap
        if port:
            forward(port, bootstrap.split(",")[0])
            bootstrap = f"{LOOPBACK}:{port}"
        _write_report(report, bootstrap)
        ended.wait()


def _write_report(report: Path, bootstrap: str) -> None:
    """Whole or not at all: the parent reads it as soon as it exists."""
    new = report.with_suffix(".new")
    new.write_text(json.dumps({"bootstrap": bootstrap}))
    new.replace(report)


if __name__ == "__main__":
    typer.run(main)
