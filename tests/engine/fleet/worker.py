"""A worker that does nothing but serve its health: ``python -m tests.engine.fleet.worker [STATUS_ON_SIGTERM]``."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from prometheus_client import CollectorRegistry, Counter

from sluice.stream.health import HealthServer


async def ready() -> str | None:
    return None


async def main() -> None:
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    registry = CollectorRegistry()
    pid = Counter("pid", "Of this process.", registry=registry)
    pid.inc(os.getpid())
    n_reloads = Counter("n_reloads", "How often a policy would have been read again.", registry=registry)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, n_reloads.inc)
    server = HealthServer(registry)
    server.watch(lambda: None, ready)
    await server.start(os.environ["SLUICE_METRICS_HOST"], 0)
    await asked.wait()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
    sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
