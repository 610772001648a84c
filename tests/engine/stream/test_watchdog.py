"""A worker that stands still is found out; one that knowingly waits is let be."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sluice.stream.pulse import Pulse
from sluice.stream.watchdog import Watchdog

PATIENCE_S = 30.0


class Worker:
    """What a watchdog looks at, set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.n_taken = 0
        self.opened_at: float | None = None
        self.n_waiting, self.newest = 0, 0
        self.pulse = Pulse(lambda: self.now)
        self.dog = Watchdog(self, lambda: (self.n_waiting, self.newest), self.pulse, PATIENCE_S, lambda: self.now)

    def oldest(self) -> float | None:
        return self.opened_at

    def after(self, seconds: float) -> str | None:
        """What the watchdog says then."""
        self.now += seconds
        return self.dog.stall()


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_nothing_to_do_is_no_standstill(worker: Worker) -> None:
    assert worker.after(10_000) is None


def test_a_post_without_an_outcome_is_one(worker: Worker) -> None:
    worker.opened_at = worker.now
    assert worker.after(PATIENCE_S - 1) is None
    assert worker.after(2) == "a post has no outcome after 31 s"


def test_a_post_that_waits_for_what_is_away_is_none(worker: Worker) -> None:
    worker.opened_at = worker.now
    for _ in range(100):
        worker.pulse.wait()
        assert worker.after(PATIENCE_S - 1) is None
    assert worker.after(2) is not None


def test_messages_that_nobody_takes_while_more_come_are_one(worker: Worker) -> None:
    worker.n_waiting, worker.newest = 5, 100
    assert worker.after(0) is None
    worker.newest = 110
    assert worker.after(PATIENCE_S + 1) == "5 messages wait, more come, and none was taken for 31 s"


def test_a_lag_behind_which_nothing_comes_is_none(worker: Worker) -> None:
    """Markers of transactions, and a Kafka that is away, look like it."""
    worker.n_waiting, worker.newest = 5, 100
    assert worker.dog.stall() is None
    worker.dog._rest()
    assert worker.after(PATIENCE_S + 1) is None


def test_messages_that_are_taken_are_progress(worker: Worker) -> None:
    worker.n_waiting = 5
    for _ in range(10):
        worker.newest += 10
        worker.n_taken += 1
        assert worker.after(PATIENCE_S + 1) is None


BLOCKED = """
import asyncio, re, sys, time
from sluice.stream.watchdog import LoopGuard

async def main():
    LoopGuard(1.0).start()
    await asyncio.sleep(0.1)
    {block}

asyncio.run(main())
"""


def test_a_loop_that_is_blocked_ends_the_process_and_says_where() -> None:
    code = BLOCKED.format(block="time.sleep(600)")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "the event loop stands still for 1 s" in ended.stderr
    assert "in main" in ended.stderr


def test_so_does_one_that_lets_no_thread_run() -> None:
    code = BLOCKED.format(block="re.match('(a+)+b', 'a' * 64)")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert ended.returncode != 0
    assert "in main" in ended.stderr
