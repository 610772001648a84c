"""Who may call, and how often: the key of a request, its scopes and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from sluice.api.keys import Client, KeyRing, Scope
from sluice.api.problems import RequestProblem

Connection = ASGIConnection[Any, Any, Any, Any]

KEYRING_STATE, CLIENT_STATE = "keyring", "client"
KEY_COOKIE = "sluice_key"
"""Of who signed in on the page."""
KEY_HEADERS = ("ocp-apim-subscription-key", "x-goog-api-key", "api-key")
"""Of Azure, Google and Azure OpenAI. ``Authorization: Bearer`` comes first, the query's ``key`` (Perspective) last."""


def needs(*scopes: Scope) -> Guard:
    """A guard that lets only clients with one of these scopes pass; everybody where no keys are set."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:  # others are called on a thread
        ring: KeyRing | None = connection.app.state.get(KEYRING_STATE)
        if ring is not None:
            connection.state[CLIENT_STATE] = _authenticate(ring, connection, scopes)

    return guard


def admit(connection: Connection, n_posts: int) -> None:
    """Count posts against the client's limits; raises `RequestProblem` (429) with what to wait for."""
    client: Client | None = connection.state.get(CLIENT_STATE)
    if client is None:
        return
    ring: KeyRing = connection.app.state[KEYRING_STATE]
    refusal = client.admit(n_posts, ring.clock())
    if refusal is not None:
        raise RequestProblem(429, "rate_limited", refusal.detail, refusal.retry_after_s)


def _authenticate(ring: KeyRing, connection: Connection, scopes: Sequence[Scope]) -> Client:
    key = read_key(connection)
    client = ring.find(key) if key else None
    if client is None:
        raise RequestProblem(401, "unauthenticated", "no valid API key in the request")
    if client.scopes.isdisjoint(scopes):
        raise RequestProblem(403, "forbidden", f"the key has no scope {' or '.join(map(repr, scopes))}")
    return client


def read_key(connection: Connection) -> str | None:
    """The key that a request carries, in any of the places where clients of the services put one."""
    kind, _, bearer = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    for header in KEY_HEADERS:
        if value := connection.headers.get(header):
            return value
    return connection.query_params.get("key") or _read_cookie(connection)


def _read_cookie(connection: Connection) -> str | None:
    """The key of who signed in; browsers send it along with what other sites ask them to send, which does not count."""
    value = connection.cookies.get(KEY_COOKIE)
    return value if value and _is_own_request(connection) else None


def _is_own_request(connection: Connection) -> bool:
    if connection.scope.get("method") == "GET":
        return True  # changes nothing, and no other site can read the answer
    headers = connection.headers
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    origin = headers.get("origin")  # without TLS, browsers say no more
    return origin is None or urlsplit(origin).netloc == headers.get("host")
