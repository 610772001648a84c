"""Requests to a real server, and to none inside our network."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sluice.errors import SettingsError
from sluice.webhooks.config import WebhookConfig
from sluice.webhooks.message import Webhook
from sluice.webhooks.receiver import MAX_HINT_S, NotTaken, Receiver

WEBHOOK = Webhook("msg_1", b"{}", "application/json")
KEY = base64.b64decode("AAAA" * 8)


class Server:
    """Answers as it is told."""

    def __init__(self) -> None:
        self.status, self.n_asked, self.port = 204, 0, 0
        self.headers: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.Response:
        self.n_asked += 1
        return web.Response(status=self.status, headers=self.headers)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


async def post(url: str, allow_private: bool = True) -> None:
    receiver = Receiver(WebhookConfig(url, (KEY,), allow_private=allow_private))
    try:
        await receiver.post(WEBHOOK)
    finally:
        await receiver.close()


async def test_any_2xx_is_taken(server: Server) -> None:
    await post(f"http://127.0.0.1:{server.port}/hook")
    assert server.n_asked == 1


@pytest.mark.parametrize("status", [302, 400, 410, 429, 500])
async def test_everything_else_is_not_and_redirects_are_not_followed(server: Server, status: int) -> None:
    server.status, server.headers = status, {"Location": "/elsewhere", "Retry-After": "7"}
    with pytest.raises(NotTaken, match=f"status {status}") as caught:
        await post(f"http://127.0.0.1:{server.port}/hook")
    assert (server.n_asked, caught.value.after_s) == (1, 7.0)


@pytest.mark.parametrize(("hint", "after_s"), [("999999", MAX_HINT_S), ("soon", 0.0), ("-1", 0.0)])
async def test_a_hint_is_heeded_within_reason(server: Server, hint: str, after_s: float) -> None:
    server.status, server.headers = 503, {"Retry-After": hint}
    with pytest.raises(NotTaken) as caught:
        await post(f"http://127.0.0.1:{server.port}/")
    assert caught.value.after_s == after_s


async def test_a_receiver_that_is_down_is_named_by_the_kind_of_failure(server: Server) -> None:
    with pytest.raises(NotTaken, match="Error"):
        await post("http://127.0.0.1:1/")


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://169.254.169.254/", "https://[::1]/", "http://example.org:8080/", "ftp://example.org/",
     "https://u:p@example.org/", "http://2130706433/", "nowhere"],
)  # fmt: skip
async def test_what_media_may_not_come_from_gets_no_webhooks(url: str) -> None:
    with pytest.raises(SettingsError, match="--url"):
        await post(url, allow_private=False)


async def test_a_name_that_leads_inside_gets_none_either(server: Server) -> None:
    with pytest.raises(NotTaken, match="may not be fetched from"):
        await post("http://localhost/", allow_private=False)
    assert server.n_asked == 0
