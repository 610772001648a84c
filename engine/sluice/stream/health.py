"""What the worker serves about itself over HTTP: ``/metrics``, ``/healthz`` and ``/readyz``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from sluice.errors import SettingsError

UNIX_SOCKET = "unix:"


class HealthServer:
    """Serves metrics and health, from the start on: alive, and not ready until `watch` is called."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._refresh: Callable[[], None] = _nothing
        self._why_not_ready: Callable[[], Awaitable[str | None]] = _starting
        self._runner = web.AppRunner(self._routes(), access_log=None, handle_signals=False, shutdown_timeout=1.0)

    async def start(self, host: str, port: int) -> None:
        """Listen; raises `SettingsError` if the port is taken."""
        await self._runner.setup()
        try:
            await self._site(host, port).start()
        except OSError as error:
            raise SettingsError(f"SLUICE_METRICS_PORT: cannot listen on {host}:{port}: {error.strerror}") from error

    def _site(self, host: str, port: int) -> web.BaseSite:
        """Where to listen: at a Unix socket where the host is ``unix:`` and its path."""
        if host.startswith(UNIX_SOCKET):
            return web.UnixSite(self._runner, host.removeprefix(UNIX_SOCKET))
        return web.TCPSite(self._runner, host, port)

    def watch(self, refresh: Callable[[], None], why_not_ready: Callable[[], Awaitable[str | None]]) -> None:
        """Say from now on how a worker is that has started.

        Parameters
        ----------
        refresh : callable
            Called before each scrape, for series that are read off elsewhere.
        why_not_ready : callable
            None when the worker can score posts, else what it lacks, in one line.
        """
        self._refresh, self._why_not_ready = refresh, why_not_ready

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    def _routes(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/metrics", self._metrics)
        application.router.add_get("/healthz", self._alive)
        application.router.add_get("/readyz", self._ready)
        return application

    async def _metrics(self, _: web.Request) -> web.Response:
        self._refresh()
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _alive(self, _: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _ready(self, _: web.Request) -> web.Response:
        lacking = await self._why_not_ready()
        return web.Response(text=f"{lacking or 'ready'}\n", status=503 if lacking else 200)


def _nothing() -> None:
    """Nothing is to be read off yet."""


async def _starting() -> str:
    return "it starts: Kafka or Triton has not answered yet"
