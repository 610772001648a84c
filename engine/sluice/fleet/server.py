"""``/metrics``, ``/healthz`` and ``/readyz`` of several workers, each of which serves its own on a Unix socket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from sluice.errors import SettingsError
from sluice.fleet.series import merge

TIMEOUT_S = 5.0
"""For a worker to answer. Prometheus waits 10 s by default."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a worker said; status 503 where it said nothing."""

    status: int
    text: str


class FleetServer:
    """Answers for all workers.

    Parameters
    ----------
    sockets : sequence of Path
        Where each worker serves the same; it need not be there yet.
    """

    def __init__(self, sockets: Sequence[Path]) -> None:
        self._sockets = sockets
        application = web.Application()
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/healthz", self._alive)
        application.router.add_get("/readyz", self._ready)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)

    async def start(self, host: str, port: int) -> None:
        """Listen; raises `SettingsError` if the port is taken."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise SettingsError(f"SLUICE_METRICS_PORT: cannot listen on {host}:{port}: {error.strerror}") from error

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        """The series of all; none while one does not answer, since sums over fewer would fall and rise again."""
        answers = await self._ask("/metrics")
        if faults := _faults(answers):
            return web.Response(text=faults, status=503)
        merged = await asyncio.to_thread(merge, [answer.text for answer in answers])
        return web.Response(body=merged, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _alive(self, _: web.Request) -> web.Response:
        return _say(await self._ask("/healthz"), "alive")

    async def _ready(self, _: web.Request) -> web.Response:
        return _say(await self._ask("/readyz"), "ready")

    async def _ask(self, path: str) -> list[_Answer]:
        return await asyncio.gather(*(_get(socket, path) for socket in self._sockets))


async def _get(socket: Path, path: str) -> _Answer:
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(socket)), timeout=aiohttp.ClientTimeout(TIMEOUT_S)
            ) as session,
            session.get(f"http://worker{path}") as response,
        ):
            return _Answer(response.status, await response.text())
    except (aiohttp.ClientError, OSError, TimeoutError):
        return _Answer(503, "it does not answer\n")


def _faults(answers: Sequence[_Answer]) -> str:
    """A line for each worker that is not as it should be."""
    return "".join(
        f"worker process {number}: {answer.text.strip()}\n"
        for number, answer in enumerate(answers, 1)
        if answer.status != 200
    )


def _say(answers: Sequence[_Answer], well: str) -> web.Response:
    faults = _faults(answers)
    return web.Response(text=faults or f"{well}\n", status=503 if faults else 200)
