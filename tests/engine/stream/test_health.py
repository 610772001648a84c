"""What the worker serves about itself."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from sluice.errors import SettingsError
from sluice.stream.health import HealthServer


class Worker:
    """A health server on a free port, and what its callbacks say."""

    def __init__(self) -> None:
        self.lacking: str | None = None
        registry = CollectorRegistry()
        self.gauge = Gauge("refreshed", "Scrapes seen.", registry=registry)
        self.server = HealthServer(registry)
        self.port = 0

    def watch(self) -> None:
        self.server.watch(self.gauge.inc, self.why_not_ready)

    async def why_not_ready(self) -> str | None:
        return self.lacking

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}{path}") as response:
            return response.status, await response.text()


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        worker.port = probe.getsockname()[1]
    await worker.server.start("127.0.0.1", worker.port)
    yield worker
    await worker.server.stop()


async def test_a_worker_that_starts_is_alive_and_not_ready(worker: Worker) -> None:
    assert (await worker.get("/healthz"))[0] == 200
    assert (await worker.get("/metrics"))[0] == 200
    assert await worker.get("/readyz") == (503, "it starts: Kafka or Triton has not answered yet\n")


async def test_each_scrape_refreshes_first(worker: Worker) -> None:
    worker.watch()
    assert "refreshed 1.0" in (await worker.get("/metrics"))[1]
    assert "refreshed 2.0" in (await worker.get("/metrics"))[1]


async def test_ready_says_what_is_lacking(worker: Worker) -> None:
    worker.watch()
    assert await worker.get("/healthz") == (200, "alive\n")
    assert await worker.get("/readyz") == (200, "ready\n")
    worker.lacking = "Triton at t:1 is not ready"
    assert await worker.get("/readyz") == (503, "Triton at t:1 is not ready\n")


async def test_a_taken_port_is_a_clear_error(worker: Worker) -> None:
    second = Worker()
    with pytest.raises(SettingsError, match=f"SLUICE_METRICS_PORT.*{worker.port}"):
        await second.server.start("127.0.0.1", worker.port)
    await second.server.stop()
