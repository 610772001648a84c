import asyncio
import os
import signal
from collections.abc import AsyncIterator

import psutil
import pytest
from aiohttp import web

from sluice.bytebudget import ByteBudget, Lease
from sluice.errors import MediaRefused, MediaUnavailable
from sluice.media.downloads import Downloads
from sluice.media.http import HttpLimits
from tests.engine.media.sites import BODY, LIMIT, Site, serve, serve_raw


@pytest.fixture
async def downloads() -> AsyncIterator[Downloads]:
    downloads = Downloads(HttpLimits(LIMIT, 3, allow_private=True), 2**24)
    await downloads.start()
    yield downloads
    await downloads.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serve() as running:
        yield running


def lease() -> Lease:
    return Lease(ByteBudget(2**24))


def child_of_this() -> psutil.Process:
    return next(each for each in psutil.Process().children() if "sluice.media.download_child" in each.cmdline())


async def test_many_downloads_come_back_each_to_its_own(downloads: Downloads, site: Site) -> None:
    urls = [f"{site.url}/{number}" for number in range(40)]
    assert await asyncio.gather(*(downloads.fetch(url, lease()) for url in urls)) == [BODY] * 40


async def test_what_fails_fails_as_it_would_here(downloads: Downloads, site: Site) -> None:
    with pytest.raises(MediaRefused) as refused:
        await downloads.fetch("http:///nowhere", lease())
    assert (refused.value.reason, refused.value.detail) == ("bad_uri", "a URL without a host")
    site.answer = None  # type: ignore[assignment]  # a server error
    with pytest.raises(MediaUnavailable, match="HTTP 500"):
        await downloads.fetch(site.url, lease())


async def test_a_body_is_held_within_a_budget(downloads: Downloads, site: Site) -> None:
    budget = ByteBudget(len(BODY))
    async with budget.lease() as first:
        await downloads.fetch(site.url, first)
        assert budget.used == len(BODY)
        async with budget.lease() as second:
            waiting = asyncio.create_task(downloads.fetch(site.url, second))
            while site.n_requests < 2:
                await asyncio.sleep(0.01)
            first.release()
            assert await waiting == BODY
    assert budget.used == 0


class Hanging:
    """An answer that does not come until the test is over."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def __call__(self, _request: web.Request) -> web.StreamResponse:
        await self.over.wait()
        return web.Response()


async def test_who_gives_up_is_no_burden(downloads: Downloads) -> None:
    hanging = Hanging()
    async with serve_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", again=b"") as url, serve() as site:
        site.answer = hanging
        waiting = [asyncio.create_task(downloads.fetch(site.url, lease())) for _ in range(8)]
        while site.n_requests < 8:
            await asyncio.sleep(0.01)
        for task in waiting:
            task.cancel()
        with pytest.raises(MediaUnavailable):
            await downloads.fetch(url, lease())
        hanging.over.set()


async def test_a_child_that_dies_is_started_again(downloads: Downloads, site: Site) -> None:
    hanging = Hanging()
    answer, site.answer = site.answer, hanging
    waiting = asyncio.create_task(downloads.fetch(site.url, lease()))
    while site.n_requests < 1:
        await asyncio.sleep(0.01)
    os.kill(child_of_this().pid, signal.SIGKILL)
    with pytest.raises(MediaUnavailable, match="the downloads' process ended"):
        await waiting
    hanging.over.set()
    site.answer = answer
    assert await downloads.fetch(site.url, lease()) == BODY


async def test_early_hints_without_end_cost_this_process_nothing(downloads: Downloads) -> None:
    before = sum(psutil.Process().cpu_times()[:2])
    async with serve_raw(again=b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000) as url:
        with pytest.raises(MediaUnavailable):
            await downloads.fetch(url, lease())
    assert sum(psutil.Process().cpu_times()[:2]) - before < 2.0


async def test_the_child_ends_with_the_worker() -> None:
    downloads = Downloads(HttpLimits(LIMIT, 3, allow_private=True))
    await downloads.start()
    child = child_of_this()
    assert not any("grpc" in entry.path or "faust" in entry.path for entry in child.memory_maps())
    await downloads.close()
    assert not child.is_running()
