"""Starts a server again when it has ended by itself; whoever uses it waits meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from sluice.errors import StackError
from sluice.local.processes import RunningInside

logger = logging.getLogger(__name__)

CHECK_S = 0.2
MAX_STARTS, WITHIN_S = 5, 120.0
"""A server that ends more often than that does not work, and is left alone."""


class Restartable(Protocol):
    """What is asked of the server."""

    def start(self) -> None: ...  # noqa: D102
    def check(self) -> None: ...  # noqa: D102
    def stop(self) -> None: ...  # noqa: D102


class Supervisor(RunningInside):
    """Watches a server that runs already; the server is started and stopped by its owner, after this is stopped.

    Parameters
    ----------
    name : str
        For messages.
    server : Restartable
    clock : callable
        Monotonic, in seconds.
    """

    def __init__(self, name: str, server: Restartable, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._server = server
        self._clock = clock
        self._starts: deque[float] = deque(maxlen=MAX_STARTS)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=f"supervisor of {name}", daemon=True)
        self._failure: StackError | None = None

    def start(self) -> None:
        """Watch from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Raise `StackError` if the server has ended too often."""
        if self._failure:
            raise self._failure

    def _watch(self) -> None:
        while not self._ended.wait(CHECK_S) and self._failure is None:
            try:
                self._server.check()
            except StackError as error:
                self._start_again(error)

    def _start_again(self, error: StackError) -> None:
        now = self._clock()
        if len(self._starts) == MAX_STARTS and now - self._starts[0] < WITHIN_S:
            self._failure = error
            logger.error("%s ended for the %dth time in a short while: it stays away", self._name, MAX_STARTS + 1)
            return
        self._starts.append(now)
        logger.warning("%s has ended by itself, and is started again", self._name)
        self._server.stop()
        try:
            self._server.start()
        except StackError as failed:
            self._failure = failed
