"""The kinds of faults, each begun and lifted again on a `Stage`."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from sluice.chaos.link import LinkMode
from sluice.chaos.stage import Stage
from sluice.chaos.traffic import HEAD_DEADLINE_MS, Traffic
from sluice.local.kafka import NativeKafka
from sluice.local.stack import Stack

START_S = 90.0


class Fault(ABC):
    """One fault.

    Attributes
    ----------
    name : str
        For the table.
    lasts_s : tuple of float
        Shortest and longest time between `begin` and `lift`; a crash is repaired at once.
    """

    name: ClassVar[str]
    lasts_s: ClassVar[tuple[float, float]] = (0.0, 0.0)

    def __init__(self, stage: Stage, traffic: Traffic, rng: random.Random) -> None:
        self._stage = stage
        self._traffic = traffic
        self._rng = rng

    @abstractmethod
    def begin(self) -> None:
        """Break it."""

    @abstractmethod
    def lift(self) -> None:
        """Mend it, and wait until what was broken runs again."""

    def _pick_worker(self) -> Stack:
        return self._rng.choice(self._stage.workers)


class WorkerKilled(Fault):
    """SIGKILL of a worker."""

    name = "worker killed"

    def begin(self) -> None:
        """See `Fault`."""
        self._worker = self._pick_worker()
        self._worker.kill_worker()

    def lift(self) -> None:
        """See `Fault`."""
        self._worker.start_worker(START_S)


class WorkerStopped(Fault):
    """SIGSTOP of a worker, sometimes for longer than Kafka waits for it."""

    name = "worker stopped"
    lasts_s = (3.0, 9.0)

    def begin(self) -> None:
        """See `Fault`."""
        self._worker = self._pick_worker()
        self._worker.suspend_worker()

    def lift(self) -> None:
        """See `Fault`."""
        self._worker.resume_worker()


class WorkerJoins(Fault):
    """A worker more, which leaves again."""

    name = "worker joins"
    lasts_s = (4.0, 8.0)

    def begin(self) -> None:
        """See `Fault`."""
        self._worker = self._stage.make_worker("worker-more")
        self._worker.__enter__()

    def lift(self) -> None:
        """See `Fault`."""
        self._worker.stop()


class WorkerLeaves(Fault):
    """SIGTERM to a worker, which comes back later."""

    name = "worker leaves"
    lasts_s = (3.0, 6.0)

    def begin(self) -> None:
        """See `Fault`."""
        self._worker = self._pick_worker()
        self._worker.stop_worker()

    def lift(self) -> None:
        """See `Fault`."""
        self._worker.start_worker(START_S)


class RollingRestart(Fault):
    """Every worker in turn, as a deployment does."""

    name = "rolling restart"

    def begin(self) -> None:
        """See `Fault`."""
        for worker in self._stage.workers:
            worker.stop_worker()
            worker.start_worker(START_S)

    def lift(self) -> None:
        """Nothing is left to mend."""


class TritonKilled(Fault):
    """SIGKILL of Triton, which its supervisor notices and starts again."""

    name = "Triton killed"

    def begin(self) -> None:
        """See `Fault`."""
        self._stage.triton.crash()

    def lift(self) -> None:
        """See `Fault`."""
        self._stage.wait_for_triton(START_S)


class TritonStopped(Fault):
    """SIGSTOP of Triton: it takes connections and answers nothing."""

    name = "Triton stopped"
    lasts_s = (4.0, 12.0)

    def begin(self) -> None:
        """See `Fault`."""
        self._stage.triton.suspend()

    def lift(self) -> None:
        """See `Fault`."""
        self._stage.triton.resume()


class _BadLink(Fault):
    mode: ClassVar[LinkMode]
    lasts_s = (4.0, 10.0)

    def begin(self) -> None:
        """See `Fault`."""
        self._stage.link.set_mode(self.mode)

    def lift(self) -> None:
        """See `Fault`."""
        self._stage.link.set_mode(LinkMode.faithful)


class TritonSlow(_BadLink):
    """Every packet to and from Triton is late."""

    name = "Triton slow"
    mode = LinkMode.slow


class TritonCorrupt(_BadLink):
    """What Triton answers is damaged on its way."""

    name = "Triton corrupt"
    mode = LinkMode.corrupt


class TritonUnreachable(_BadLink):
    """Packets to Triton vanish and no connection is refused."""

    name = "Triton unreachable"
    mode = LinkMode.silent


class StuckHead(Fault):
    """A post that is stuck until its deadline, at the head of a partition."""

    name = "stuck head"
    lasts_s = (HEAD_DEADLINE_MS / 1000, HEAD_DEADLINE_MS / 1000)

    def begin(self) -> None:
        """See `Fault`."""
        self._traffic.publish_stuck(self._stage.silence.url)

    def lift(self) -> None:
        """Its deadline does."""


class StuckHeadAndKill(StuckHead):
    """Every worker is killed while finished posts wait behind a stuck one."""

    name = "stuck head, worker killed"
    lasts_s = (1.0, 3.0)

    def lift(self) -> None:
        """See `Fault`."""
        for worker in self._stage.workers:
            worker.kill_worker()
        for worker in self._stage.workers:
            worker.start_worker(START_S)


class _BrokerFault(Fault):
    @property
    def _brokers(self) -> NativeKafka:
        if self._stage.brokers is None:
            raise RuntimeError("brokers of others are not broken")
        return self._stage.brokers

    def _pick(self) -> int:
        return self._rng.randrange(self._brokers.n_brokers)


class BrokerKilled(_BrokerFault):
    """SIGKILL of one broker of three."""

    name = "broker killed"
    lasts_s = (2.0, 5.0)

    def begin(self) -> None:
        """See `Fault`."""
        self._index = self._pick()
        self._brokers.kill_broker(self._index)

    def lift(self) -> None:
        """See `Fault`."""
        self._brokers.start_broker(self._index, START_S)


class BrokerStopped(_BrokerFault):
    """SIGSTOP of one broker of three."""

    name = "broker stopped"
    lasts_s = (3.0, 9.0)

    def begin(self) -> None:
        """See `Fault`."""
        self._index = self._pick()
        self._brokers.suspend_broker(self._index)

    def lift(self) -> None:
        """See `Fault`."""
        self._brokers.resume_broker(self._index, START_S)


WORKER_AND_TRITON_FAULTS: tuple[type[Fault], ...] = (
    WorkerKilled, WorkerStopped, WorkerJoins, WorkerLeaves, RollingRestart, TritonKilled, TritonStopped, TritonSlow,
    TritonCorrupt, TritonUnreachable, StuckHead, StuckHeadAndKill,
)  # fmt: skip
BROKER_FAULTS: tuple[type[Fault], ...] = (BrokerKilled, BrokerStopped)


def draw_faults(stage: Stage, traffic: Traffic, rng: random.Random) -> Iterator[Fault]:
    """Faults without end: every kind once in random order, then every kind again."""
    kinds = WORKER_AND_TRITON_FAULTS + (BROKER_FAULTS if stage.brokers else ())
    while True:
        for kind in rng.sample(kinds, len(kinds)):
            yield kind(stage, traffic, rng)
