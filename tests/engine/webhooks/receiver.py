"""A receiver of webhooks that checks what it gets, and verdicts for it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable

from aiohttp import web
from confluent_kafka import Producer
from standardwebhooks import Webhook as Checker

from sluice.config import KafkaConfig
from sluice.local.processes import find_free_ports
from sluice.schema import encode
from tests.engine.cli.verdicts import make_verdict

SECRET = f"whsec_{base64.b64encode(bytes(32)).decode()}"


class Receiver:
    """A server that checks what it gets, and can be killed and started again on its port."""

    def __init__(self) -> None:
        (self.port,) = find_free_ports(1)
        self.taken: list[str] = []
        self.identifiers: set[str] = set()
        self.traces: list[str | None] = []
        self.refused: set[str] = set()
        self.n_refused = 0
        self.on_refusal: Callable[[int], None] = lambda _: None
        self.news = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def take(self, request: web.Request) -> web.Response:
        verdict = Checker(SECRET).verify(await request.read(), dict(request.headers))["data"]
        self.news.set()
        if verdict["post_id"] in self.refused:
            self.n_refused += 1
            await asyncio.to_thread(self.on_refusal, self.n_refused)
            return web.Response(status=422)
        self.taken.append(verdict["post_id"])
        self.identifiers.add(request.headers["webhook-id"])
        self.traces.append(request.headers.get("traceparent"))
        return web.Response(status=204)

    async def start(self) -> None:
        application = web.Application()
        application.router.add_post("/hook", self.take)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)  # killed, not ended
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def kill(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def until(self, happened: Callable[[], bool]) -> None:
        while not happened():
            self.news.clear()
            if not happened():
                await self.news.wait()


def leave(kafka: KafkaConfig, *verdicts: tuple[str, str]) -> None:
    producer = Producer(kafka.librdkafka())
    for post_id, decision in verdicts:
        producer.produce(kafka.topics.verdicts, encode(make_verdict(post_id, decision)), post_id)
    assert producer.flush(10) == 0
