"""An object in a process of its own: its CPU is its own, and it can be ended at any moment."""

from __future__ import annotations

import contextlib
import signal
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from sluice.errors import SluiceError, StackError
from sluice.local.processes import RunningInside

POLL_S = 0.5

Factory = Callable[..., Any]


class Remote(RunningInside):
    """Makes an object in a new process, and calls its methods there.

    Parameters
    ----------
    factory : callable
        Makes the object; like its arguments it must be picklable.

    Raises
    ------
    StackError
        From `call`: the process has ended, or failed in a way that is not Sluice's own.
    """

    def __init__(self, factory: Factory, *arguments: object) -> None:
        context = get_context("spawn")
        self._near, far = context.Pipe()
        self._process = context.Process(target=_serve, args=(far, factory, arguments), daemon=True)
        self._far = far
        self.check: Callable[[], None] = self._is_well
        """Called while a result is awaited: raises if there is no use in waiting on."""

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid

    def start(self) -> None:
        """Start it."""
        self._process.start()
        self._far.close()

    def stop(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.join()
        self._near.close()

    def call(self, method: str, *arguments: object) -> Any:
        """Call a method and wait for its result, or raise what it raised; `StackError` if the process has ended."""
        try:
            self._near.send((method, arguments))
            while not self._near.poll(POLL_S):
                self.check()
            result = self._near.recv()
        except (EOFError, OSError) as error:
            raise StackError("the process that makes the load has ended") from error
        if isinstance(result, Exception):
            raise result
        return result

    @staticmethod
    def _is_well() -> None:
        """Nothing else is looked at."""


def _serve(connection: Connection, factory: Factory, arguments: tuple[object, ...]) -> None:
    """Make the object at the first call, so that its errors reach the caller."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    made: Any = None
    with contextlib.suppress(EOFError):
        while True:
            method, given = connection.recv()
            try:
                made = made or factory(*arguments)
                result = getattr(made, method)(*given)
            except SluiceError as error:
                result = error
            except Exception as error:
                result = StackError(f"{type(error).__name__} in the load: {traceback.format_exc(limit=-3)}")
            connection.send(result)
