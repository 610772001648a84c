"""Ends a worker that stands still: one that is not known to wait for anything, and yet gets nothing done.

Two dogs, since what stands still may be the event loop itself: `Watchdog` looks at the posts from inside the loop,
`LoopGuard` at the loop from a thread, and from the kernel where no thread gets to run.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

from sluice.stream.pulse import Pulse

logger = logging.getLogger(__name__)

CHECK_S = 1.0


class Progress(Protocol):
    """What the watchdog asks of the posts."""

    @property
    def n_taken(self) -> int:
        """Posts picked up so far."""
        ...

    def oldest(self) -> float | None:
        """When the oldest post without an outcome was picked up, on the monotonic clock; None if there is none."""
        ...


class Watchdog:
    """Finds out whether the worker stands still.

    Parameters
    ----------
    work : Progress
    waiting : callable
        Messages that wait in the partitions of this worker, and the sum of their newest offsets.
    pulse : Pulse
    patience_s : float
        A post has its outcome by then, unless it knowingly waits: its deadline, and a send's time-out.
    clock : callable
        Monotonic, in seconds.
    """

    def __init__(
        self,
        work: Progress,
        waiting: Callable[[], tuple[int, int]],
        pulse: Pulse,
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._waiting = waiting
        self._pulse = pulse
        self._patience_s = patience_s
        self._clock = clock
        self._n_taken = 0
        self._newest = 0
        self._idle_since = clock()

    def stall(self) -> str | None:
        """What stands still, in one line; None if all is well. Ask often."""
        oldest = self._work.oldest()
        if oldest is None:
            return self._untaken()
        self._rest()
        stuck_s = self._clock() - max(oldest, self._pulse.tried_at)
        return f"a post has no outcome after {stuck_s:.0f} s" if stuck_s > self._patience_s else None

    def _untaken(self) -> str | None:
        """Nothing is in flight: messages that wait while more come ought to be taken."""
        n_waiting, newest = self._waiting()
        if n_waiting == 0 or self._work.n_taken != self._n_taken:
            self._rest()
        idle_s = self._clock() - self._idle_since
        if idle_s > self._patience_s and newest > self._newest:
            return f"{n_waiting} messages wait, more come, and none was taken for {idle_s:.0f} s"
        return None

    def _rest(self) -> None:
        self._n_taken = self._work.n_taken
        self._idle_since = self._clock()
        self._newest = self._waiting()[1]

    async def stalled(self) -> str:
        """Return once the worker stands still, and why."""
        while True:
            if why := self.stall():
                return why
            await asyncio.sleep(CHECK_S)


class LoopGuard:
    """Ends the process if the running event loop stands still: something in it blocks.

    Parameters
    ----------
    patience_s : float
        Longest pause between two turns of the loop. A process that was stopped and goes on is given it anew.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._turned_at = time.monotonic()
        self._ended = threading.Event()

    def start(self) -> None:
        """Watch from now on."""
        # A thread that holds the interpreter's lock lets no other run. The processor time that it burns is counted by
        # the kernel, whose signal ends the process; the handler shows where it was and needs no lock.
        faulthandler.register(signal.SIGPROF, chain=True)
        self._turn()
        threading.Thread(target=self._watch, name="loop-guard", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._ended.set()
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _turn(self) -> None:
        if not self._ended.is_set():
            self._turned_at = time.monotonic()
            signal.setitimer(signal.ITIMER_PROF, 2 * self._patience_s)
            asyncio.get_running_loop().call_later(CHECK_S, self._turn)

    def _watch(self) -> None:
        looked_at = time.monotonic()
        while not self._ended.wait(CHECK_S):
            now = time.monotonic()
            if now - looked_at > 3 * CHECK_S:  # this thread stood still as well: the whole process did
                self._turned_at = now
            looked_at = now
            if now - self._turned_at > self._patience_s:
                self._end()

    def _end(self) -> None:
        """Without logging: what blocks may hold its lock."""
        os.write(2, f"sluice: the event loop stands still for {self._patience_s:.0f} s: ending\n".encode())
        faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr)
        os._exit(1)
