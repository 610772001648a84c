"""HTTP servers on loopback whose answers a test sets, and the fetcher that asks them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from sluice.errors import PartFailed
from sluice.media.http import HttpFetcher, HttpLimits

BODY = bytes(range(256)) * 40
LIMIT = 100_000
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """A real HTTP server on loopback; its answers are set by the test."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.port = 0
        self.n_requests = 0
        self.headers: dict[str, str] = {}
        self.answer = answer_with(body=BODY)

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.n_requests += 1
        self.headers = dict(request.headers)
        return await self.answer(request)


def answer_with(**options: Any) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(**options)

    return answer


@asynccontextmanager
async def serve(address: str = "127.0.0.1") -> AsyncIterator[Site]:
    site = Site(address)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = web.TCPSite(runner, address, 0)
    await listener.start()
    site.port = runner.addresses[0][1]
    try:
        yield site
    finally:
        await runner.cleanup()


def find_family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class FixedResolver(AbstractResolver):
    """Gives the same addresses for every name, or others every time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=each, port=port, family=find_family(each), proto=0, flags=0)
            for each in addresses
        ]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def fetcher(
    allow_private: bool = True, resolver: AbstractResolver | None = None, max_redirects: int = 3
) -> AsyncIterator[HttpFetcher]:
    http = HttpFetcher(HttpLimits(LIMIT, max_redirects, allow_private), resolver)
    try:
        yield http
    finally:
        await http.close()


async def fetch(url: str, allow_private: bool = True, resolver: AbstractResolver | None = None) -> bytes:
    async with fetcher(allow_private, resolver) as http, asyncio.timeout(20):
        return await http.fetch(url)


async def fail(url: str, allow_private: bool = True, resolver: AbstractResolver | None = None) -> PartFailed:
    with pytest.raises(PartFailed) as caught:
        await fetch(url, allow_private, resolver)
    assert "secret" not in caught.value.detail
    return caught.value


def redirect_to(location: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return (
            web.Response(body=BODY)
            if request.path == "/end"
            else web.Response(status=302, headers={"Location": location})
        )

    return answer


@asynccontextmanager
async def serve_raw(*pieces: bytes, again: bytes = b"") -> AsyncIterator[str]:
    """A server that sends some pieces, and one more without end."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
            while again:
                writer.write(again)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
