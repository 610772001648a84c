"""Tokens for Kafka, from a provider on loopback."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka.errors import KafkaConnectionError

from sluice.config import OAuthConfig
from sluice.stream import oauth
from sluice.stream.oauth import RENEW_AT, ClientCredentials
from tests.oidc import Provider, running_provider


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider("sluice", "made-up") as running:
        yield running


def config_of(provider: Provider, **changes: str) -> OAuthConfig:
    return dataclasses.replace(OAuthConfig(f"{provider.url}/token", "sluice", "made-up"), **changes)


async def test_a_token_is_asked_for_once_and_kept(provider: Provider) -> None:
    given_before = provider.n_given
    credentials = ClientCredentials(config_of(provider))
    first = await credentials.token()
    assert first.count(".") == 2
    assert await credentials.token() == first
    assert provider.n_given == given_before + 1


async def test_a_token_is_renewed_before_it_ends(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(oauth, "time", clock)
    credentials = ClientCredentials(config_of(provider))
    await credentials.token()
    given_before = provider.n_given
    now += provider.life_s * RENEW_AT - 1
    await credentials.token()
    assert provider.n_given == given_before
    now += 2
    await credentials.token()
    assert provider.n_given == given_before + 1


async def test_a_wrong_secret_is_a_connection_that_is_tried_again_and_does_not_show_it(provider: Provider) -> None:
    credentials = ClientCredentials(config_of(provider, client_secret="wrong-secret"))
    with pytest.raises(KafkaConnectionError, match=f"no token from {provider.url}/token") as caught:
        await credentials.token()
    assert "wrong-secret" not in str(caught.value)


async def test_after_a_failure_the_next_connection_asks_again(provider: Provider) -> None:
    credentials = ClientCredentials(config_of(provider))
    address, provider_away = credentials._config, config_of(provider, token_url="http://127.0.0.1:1/token")
    credentials._config = provider_away
    with pytest.raises(KafkaConnectionError):
        await credentials.token()
    credentials._config = address
    assert await credentials.token()


Answer = Callable[[web.Request], web.Response]


async def ask(answer: Answer, scope: str | None = None) -> str:
    """A token from a provider that answers as told."""

    async def handle(request: web.Request) -> web.Response:
        await request.post()
        return answer(request)

    app = web.Application()
    app.router.add_post("/token", handle)
    async with TestServer(app) as server:
        return await ClientCredentials(OAuthConfig(str(server.make_url("/token")), "sluice", "made-up", scope)).token()


async def test_what_is_asked_is_the_client_credentials_grant() -> None:
    asked: list[dict[str, str]] = []

    def answer(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (request._post or {}).items()}
        asked.append({**form, "authorization": request.headers["Authorization"]})
        return web.json_response({"access_token": "t"})

    assert await ask(answer, scope="kafka.read") == "t"
    assert await ask(answer) == "t"
    basic = "Basic c2x1aWNlOm1hZGUtdXA="
    assert asked == [
        {"grant_type": "client_credentials", "scope": "kafka.read", "authorization": basic},
        {"grant_type": "client_credentials", "authorization": basic},
    ]


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: web.json_response({"error": "invalid_scope"}, status=400),
        lambda _: web.Response(text="<html>Sign in</html>", content_type="text/html"),
        lambda _: web.json_response({"token": "under another name"}),
        lambda _: web.json_response({"access_token": 7}),
        lambda _: web.Response(status=503),
    ],
    ids=["refused", "a page to sign in", "no token", "a token that is a number", "away"],
)
async def test_an_answer_without_a_token_is_a_connection_that_failed(answer: Answer) -> None:
    with pytest.raises(KafkaConnectionError, match="no token from http"):
        await ask(answer)


async def test_a_ca_file_that_is_not_there_is_a_connection_that_failed(provider: Provider) -> None:
    with pytest.raises(KafkaConnectionError, match="FileNotFoundError"):
        await ClientCredentials(config_of(provider, ca_file="/nowhere/ca.pem")).token()
