"""An object in another process."""

import os
import time

import pytest

from sluice.bench.remote import Remote
from sluice.errors import BenchmarkError, StackError


class Counter:
    def __init__(self, start):
        self.n = start

    def add(self, more):
        self.n += more
        return self.n, os.getpid()

    def refuse(self):
        raise BenchmarkError("not today")

    def fail(self):
        raise KeyError("something")

    def die(self):
        os._exit(3)

    def sleep(self):
        time.sleep(3600)


@pytest.fixture
def counter():
    with Remote(Counter, 40) as remote:
        yield remote


def test_it_keeps_its_state_elsewhere(counter):
    assert counter.call("add", 1) == (41, counter.pid)
    assert counter.call("add", 1) == (42, counter.pid)
    assert counter.pid != os.getpid()


def test_errors_come_back(counter):
    with pytest.raises(BenchmarkError, match="not today"):
        counter.call("refuse")
    with pytest.raises(StackError, match="KeyError"):
        counter.call("fail")
    assert counter.call("add", 0)[0] == 40


def test_a_process_that_ends_is_noticed(counter):
    with pytest.raises(StackError, match="ended"):
        counter.call("die")


def test_a_factory_that_fails_says_so():
    with Remote(Counter) as remote, pytest.raises(StackError, match="TypeError"):
        remote.call("add", 1)


def test_stopping_ends_what_it_does():
    with Remote(Counter, 1) as remote:
        pid = remote.call("add", 0)[1]
        remote._near.send(("sleep", ()))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_is_not_awaited_once_there_is_no_use(counter):
    def refuse():
        raise StackError("the worker has ended")

    counter.check = refuse
    with pytest.raises(StackError, match="the worker has ended"):
        counter.call("sleep")
