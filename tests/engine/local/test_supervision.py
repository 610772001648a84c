"""A server that has ended is started again, as long as that makes sense."""

from __future__ import annotations

import threading

import pytest

from sluice.errors import StackError
from sluice.local import supervision
from sluice.local.supervision import MAX_STARTS, Supervisor
from tests.components import wait_for


class Server:
    """Ends when told, or as soon as it is started."""

    def __init__(self, *, works: bool = True, failure: StackError | None = None) -> None:
        self._works = works
        self._failure = failure
        self.ended = threading.Event()
        self.n_starts = self.n_stops = 0

    def start(self) -> None:
        self.n_starts += 1
        if self._failure:
            raise self._failure
        if self._works:
            self.ended.clear()

    def check(self) -> None:
        if self.ended.is_set():
            raise StackError("ended with status -9")

    def stop(self) -> None:
        self.n_stops += 1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "CHECK_S", 0.001)


def test_a_server_that_ends_is_started_again() -> None:
    server = Server()
    with Supervisor("Triton", server) as supervisor:
        server.ended.set()
        wait_for(lambda: server.n_starts == 1, "the start")
        supervisor.check()
    assert (server.n_starts, server.n_stops) == (1, 1)


def test_one_that_always_ends_is_left_alone() -> None:
    server = Server(works=False)
    server.ended.set()
    with Supervisor("Triton", server, clock=lambda: 0.0) as supervisor:
        wait_for(lambda: supervisor._failure is not None, "giving up")
        with pytest.raises(StackError, match="status -9"):
            supervisor.check()
    assert server.n_starts == MAX_STARTS


def test_one_that_ends_now_and_then_is_started_for_ever() -> None:
    server, times = Server(works=False), iter(range(0, 10**9, 100))
    server.ended.set()
    with Supervisor("Triton", server, clock=lambda: float(next(times))) as supervisor:
        wait_for(lambda: server.n_starts > 3 * MAX_STARTS, "many starts")
        supervisor.check()


def test_one_that_cannot_be_started_again_is_left_alone() -> None:
    server = Server(failure=StackError("the program is gone"))
    server.ended.set()
    with Supervisor("Triton", server) as supervisor:
        supervisor._thread.join(30)
        with pytest.raises(StackError, match="the program is gone"):
            supervisor.check()
    assert server.n_starts == 1
