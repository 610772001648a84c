"""Workers start together and end together, and answer as one. The workers themselves: tests/integration."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys

import aiohttp
import psutil
import pytest

from sluice.errors import SettingsError
from sluice.fleet.processes import run_fleet
from sluice.local.processes import find_free_ports

COMMAND = (sys.executable, "-m", "tests.engine.fleet.worker")
N = 2
PATIENCE_S = 60.0


class Fleet:
    """Two workers that do nothing, run in this process."""

    def __init__(self, *command: str, grace_s: float = 30.0) -> None:
        (self.port,) = find_free_ports(1)
        self.run = asyncio.create_task(run_fleet([{}] * N, "127.0.0.1", self.port, command or COMMAND, grace_s))

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}{path}") as response:
            return response.status, await response.text()

    async def ready(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await self._is_ready():
                assert not self.run.done(), self.run
                await asyncio.sleep(0.02)

    async def _is_ready(self) -> bool:
        try:
            return (await self.get("/readyz"))[0] == 200
        except aiohttp.ClientError:
            return False

    async def end(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self.run


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def children() -> set[int]:
    """Of this process, guards among them."""
    return {child.pid for child in psutil.Process().children()}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_all_are_one_until_they_are_asked_to_leave(number: signal.Signals) -> None:
    before, fleet = children(), Fleet()
    await fleet.ready()
    assert await fleet.get("/healthz") == (200, "alive\n")
    status, text = await fleet.get("/metrics")
    found = re.search(r"^pid_total ([\d.e+]+)$", text, re.M)
    assert status == 200
    assert found
    started = children() - before
    assert float(found[1]) in {float(a + b) for a in started for b in started if a < b}, "not the sum of both"
    os.kill(os.getpid(), number)
    assert await fleet.end() == 0
    assert all(map(is_gone, started))


async def test_each_is_told_to_read_its_policy_again() -> None:
    fleet = Fleet()
    await fleet.ready()
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(PATIENCE_S):
        while "n_reloads_total 2.0" not in (await fleet.get("/metrics"))[1]:
            await asyncio.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await fleet.end() == 0


async def test_one_that_ends_by_itself_ends_all() -> None:
    before, fleet = children(), Fleet()
    await fleet.ready()
    started = children() - before
    os.kill(min(started), signal.SIGKILL)
    assert await fleet.end() == 1
    assert all(map(is_gone, started))


async def test_one_that_does_not_leave_well_is_told() -> None:
    fleet = Fleet(*COMMAND, "3")
    await fleet.ready()
    os.kill(os.getpid(), signal.SIGTERM)
    assert await fleet.end() == 1


async def test_one_that_stands_still_is_named_and_killed_in_the_end() -> None:
    before, fleet = children(), Fleet(grace_s=0.5)
    await fleet.ready()
    first = min(children() - before)
    os.kill(first, signal.SIGSTOP)
    silent = (503, "worker process 1: it does not answer\n")
    assert await asyncio.gather(*map(fleet.get, ("/readyz", "/healthz", "/metrics"))) == [silent] * 3
    os.kill(os.getpid(), signal.SIGTERM)
    assert await fleet.end() == 1
    assert is_gone(first)


async def test_a_port_that_is_taken_starts_nobody() -> None:
    before = children()
    with pytest.raises(SettingsError, match="SLUICE_METRICS_PORT"):
        await run_fleet([{}] * N, "127.0.0.1", await taken_port(), COMMAND)
    assert children() == before


async def taken_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    return int(server.sockets[0].getsockname()[1])
