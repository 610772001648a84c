import asyncio
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from sluice.errors import MediaInvalid, MediaRefused, MediaUnavailable, PartFailed
from sluice.media import addresses
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


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serve() as running:
        yield running


def _find_family(address: str) -> socket.AddressFamily:
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
            ResolveResult(hostname=host, host=each, port=port, family=_find_family(each), proto=0, flags=0)
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


async def test_a_body_is_fetched(site: Site) -> None:
    assert await fetch(f"{site.url}/picture.png?size=big") == BODY


async def test_neither_cookies_nor_compression_are_offered(site: Site) -> None:
    await fetch(site.url)
    assert site.headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in site.headers


async def test_the_environments_proxy_is_not_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await fetch(site.url) == BODY


@pytest.mark.parametrize(
    ("status", "reason"), [(404, "not_found"), (410, "not_found"), (403, "http_error"), (204, "http_error")]
)
async def test_other_statuses_are_named_and_not_tried_again(site: Site, status: int, reason: str) -> None:
    site.answer = answer_with(status=status)
    failure = await fail(f"{site.url}/?token=secret")
    assert isinstance(failure, MediaUnavailable)
    assert failure.reason == reason
    assert site.n_requests == 1


async def test_a_5xx_is_tried_again(site: Site) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=BODY) if site.n_requests == 3 else web.Response(status=503)

    site.answer = answer
    assert await fetch(site.url) == BODY
    assert site.n_requests == 3


async def test_a_lasting_5xx_is_given_up(site: Site) -> None:
    site.answer = answer_with(status=500)
    failure = await fail(site.url)
    assert (failure.reason, failure.detail) == ("http_error", "HTTP 500 from 127.0.0.1")
    assert site.n_requests == 3


async def test_a_reset_is_tried_again(site: Site) -> None:
    async def answer(request: web.Request) -> web.Response:
        if site.n_requests == 1 and request.transport:
            request.transport.abort()
        return web.Response(body=BODY)

    site.answer = answer
    assert await fetch(site.url) == BODY
    assert site.n_requests == 2


async def test_a_body_that_ends_early_is_not_taken_for_whole(site: Site) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "5000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport
        request.transport.close()
        return response

    site.answer = answer
    assert (await fail(site.url)).reason == "unreachable"
    assert site.n_requests == 3


async def test_a_closed_port_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        failure = await fail(f"http://127.0.0.1:{unused.getsockname()[1]}/?secret")
    assert (failure.reason, failure.detail) == ("unreachable", "cannot connect to 127.0.0.1")


async def test_the_systems_resolver_is_asked() -> None:
    assert (await fail("http://no-such-host.invalid/")).reason == "unreachable"
    assert (await fail("http://localhost/", allow_private=False)).reason == "forbidden"


async def test_a_server_of_something_else_is_unreachable() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        await writer.drain()
        await reader.read(100)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        assert (await fail(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")).reason == "unreachable"


async def test_a_body_over_the_limit_is_refused_by_its_header(site: Site) -> None:
    sent = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(LIMIT + 1)})
        await response.prepare(request)
        await sent.wait()
        return response

    site.answer = answer
    failure = await fail(site.url)
    sent.set()
    assert isinstance(failure, MediaRefused)
    assert failure.reason == "too_large"


async def test_a_body_without_end_is_refused_at_the_limit(site: Site) -> None:
    n_sent = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal n_sent
        response = web.StreamResponse()
        await response.prepare(request)
        while n_sent < 10_000:
            await response.write(bytes(10_000))
            n_sent += 1
        return response

    site.answer = answer
    assert (await fail(site.url)).reason == "too_large"
    assert n_sent < 10_000


@pytest.mark.parametrize(("coding", "bits"), [("gzip", 31), ("deflate", 15)])
async def test_a_content_coding_is_undone(site: Site, coding: str, bits: int) -> None:
    site.answer = answer_with(body=zlib.compress(BODY, wbits=bits), headers={"Content-Encoding": coding})
    assert await fetch(site.url) == BODY


@pytest.mark.parametrize(
    ("coding", "plain", "cut", "reason"),
    [
        ("gzip", bytes(50 * 2**20), None, "too_large"),
        ("gzip", BODY, -20, "bad_encoding"),
        ("deflate", BODY, 1, "bad_encoding"),
        ("br", BODY, None, "bad_encoding"),
    ],
    ids=["bomb", "cut", "cut to one byte", "unknown"],
)
async def test_a_content_coding_is_bounded(site: Site, coding: str, plain: bytes, cut: int | None, reason: str) -> None:
    packed = zlib.compress(plain, wbits=31)[:cut]

    assert len(packed) < LIMIT
    site.answer = answer_with(body=packed, headers={"Content-Encoding": coding})
    failure = await fail(site.url)
    assert isinstance(failure, MediaRefused | MediaInvalid)
    assert failure.reason == reason


async def test_bytes_that_are_not_the_coding_they_claim(site: Site) -> None:
    site.answer = answer_with(body=BODY, headers={"Content-Encoding": "gzip"})
    assert (await fail(site.url)).reason == "bad_encoding"


def redirect_to(location: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return (
            web.Response(body=BODY)
            if request.path == "/end"
            else web.Response(status=302, headers={"Location": location})
        )

    return answer


async def test_a_redirect_is_followed(site: Site) -> None:
    site.answer = redirect_to("/end")
    assert await fetch(f"{site.url}/start") == BODY
    assert site.n_requests == 2


async def test_redirects_without_end_are_refused(site: Site) -> None:
    site.answer = redirect_to("/again")
    assert (await fail(site.url)).detail == "more than 3 redirects"
    assert site.n_requests == 4


@pytest.mark.parametrize(
    "location", ["file:///etc/hostname", "ftp://example.com/x", "data:,x", "http://u:secret@host/"]
)
async def test_a_redirect_out_of_http_is_refused(site: Site, location: str) -> None:
    site.answer = redirect_to(location)
    failure = await fail(site.url)
    assert isinstance(failure, MediaRefused)
    assert failure.reason in {"forbidden", "bad_uri"}


async def test_a_redirect_without_target_is_an_error(site: Site) -> None:
    site.answer = answer_with(status=302)
    assert (await fail(site.url)).reason == "http_error"


@pytest.mark.parametrize("hop", ["http://127.0.0.1:{port}/", "http://inside.test:{port}/", "//127.0.0.1:{port}/end"])
async def test_a_redirect_into_our_network_is_refused(monkeypatch: pytest.MonkeyPatch, hop: str) -> None:
    async with serve("127.0.0.2") as outside, serve("127.0.0.1") as inside:
        monkeypatch.setattr(addresses, "is_public", lambda address: str(address) == "127.0.0.2")
        monkeypatch.setattr(addresses, "_PORTS", {outside.port, inside.port})
        outside.answer = redirect_to(hop.format(port=inside.port))
        failure = await fail(f"{outside.url}/start", allow_private=False, resolver=FixedResolver(["127.0.0.1"]))
        assert (outside.n_requests, inside.n_requests) == (1, 0)
    assert failure.reason == "forbidden"


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["fe80::1%eth0"], ["::ffff:10.0.0.1"]]
)
async def test_a_name_with_an_address_inside_our_network_is_refused(addresses: list[str]) -> None:
    failure = await fail("http://harmless.test/?secret", allow_private=False, resolver=FixedResolver(addresses))
    assert isinstance(failure, MediaRefused)
    assert failure.detail == "harmless.test has an address that may not be fetched from"


async def test_the_address_that_was_checked_is_connected_to(site: Site) -> None:
    """A name that changes between check and use: it is resolved once, so there is nothing to change."""
    resolver = FixedResolver(["127.0.0.1"], ["127.0.0.9"])
    assert await fetch(f"http://changing.test:{site.port}/", resolver=resolver) == BODY
    assert resolver.asked == ["changing.test"]
    assert site.headers["Host"] == f"changing.test:{site.port}"


async def test_every_new_connection_is_checked_again(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    site.answer = answer_with(body=BODY, headers={"Connection": "close"})
    monkeypatch.setattr(addresses, "is_public", lambda address: str(address) == "127.0.0.1")
    monkeypatch.setattr(addresses, "_PORTS", {site.port})
    async with fetcher(allow_private=False, resolver=FixedResolver(["127.0.0.1"], ["10.0.0.1"])) as http:
        assert await http.fetch(f"http://changing.test:{site.port}/") == BODY
        with pytest.raises(MediaRefused):
            await http.fetch(f"http://changing.test:{site.port}/")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("pause", ["0", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_a_server_that_asks_for_a_pause_is_asked_again(site: Site, status: int, pause: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        busy = web.Response(status=status, headers={"Retry-After": pause})
        return web.Response(body=BODY) if site.n_requests == 2 else busy

    site.answer = answer
    assert await fetch(site.url) == BODY


@pytest.mark.parametrize("pause", ["3600", "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_a_server_that_asks_for_a_long_pause_is_given_up(site: Site, pause: str) -> None:
    site.answer = answer_with(status=429, headers={"Retry-After": pause})
    assert (await fail(site.url)).detail == "HTTP 429 from 127.0.0.1"
    assert site.n_requests == 1


async def test_whom_to_turn_to_is_said(site: Site) -> None:
    http = HttpFetcher(HttpLimits(LIMIT, 3, True, contact="https://example.org/bot"))
    await http.fetch(site.url)
    await http.close()
    assert site.headers["User-Agent"] == "sluice (+https://example.org/bot)"


async def test_so_many_downloads_go_to_one_host_at_once() -> None:
    n_open, most, full, go = 0, 0, asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        nonlocal n_open, most
        n_open += 1
        most = max(most, n_open)
        if n_open == 8:
            full.set()
        await go.wait()
        n_open -= 1
        return web.Response(body=BODY)

    async with serve() as slow, serve("127.0.0.2") as other, fetcher() as http:
        slow.answer = answer
        waiting = [asyncio.create_task(http.fetch(slow.url)) for _ in range(108)]
        await full.wait()
        assert await http.fetch(other.url) == BODY  # the other host does not wait for the slow one
        go.set()
        assert await asyncio.gather(*waiting) == [BODY] * 108
    assert most == 8


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


async def test_early_hints_without_end_are_given_up() -> None:
    async with serve_raw(again=b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n") as url:
        assert (await fail(url)).reason == "unreachable"


async def test_a_few_early_hints_are_passed_over() -> None:
    hint, body = b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
    async with serve_raw(hint * 3 + body) as url:
        assert await fetch(url) == b"body"


async def test_what_is_held_is_told_before() -> None:
    grown: list[int] = []

    async def grow(n_bytes: int) -> None:
        grown.append(n_bytes)

    async with serve() as site, fetcher() as http:
        await http.fetch(site.url, grow)
    assert grown[0] == len(BODY)


async def test_byte_by_byte_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluice.media.http._CHUNK_BYTES", 1)  # as if each byte came on its own
    async with serve() as site:
        assert (await fail(site.url)).detail == "127.0.0.1 sends byte by byte"
