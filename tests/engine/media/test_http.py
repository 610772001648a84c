import asyncio
import socket
import zlib

import pytest
from aiohttp import web

from sluice.errors import MediaInvalid, MediaRefused, MediaUnavailable
from sluice.media.http import HttpFetcher, HttpLimits
from tests.engine.media.sites import BODY, LIMIT, Site, answer_with, fail, fetch, fetcher, serve, serve_raw


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
