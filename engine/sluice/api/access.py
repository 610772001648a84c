"""Who may call, and how often: the key of a request, its scopes and its limits."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from sluice.api.keys import Client, KeyRing, Scope
from sluice.api.problems import RequestProblem

Connection = ASGIConnection[Any, Any, Any, Any]

KEYRING_STATE, CLIENT_STATE = "keyring", "client"
KEY_HEADERS = ("ocp-apim-subscription-key", "x-goog-api-key", "api-key")
"""Of Azure, Google and Azure OpenAI. ``Authorization: Bearer`` comes first, the query's ``key`` (Perspective) last."""


def needs(scope: Scope) -> Guard:
    """A guard that lets only clients with that scope pass; everybody where no keys are set."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:  # others are called on a thread
        ring: KeyRing | None = connection.app.state.get(KEYRING_STATE)
        if ring is not None:
            connection.state[CLIENT_STATE] = _authenticate(ring, connection, scope)

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


def _authenticate(ring: KeyRing, connection: Connection, scope: Scope) -> Client:
    key = read_key(connection)
    client = ring.find(key) if key else None
    if client is None:
        raise RequestProblem(401, "unauthenticated", "no valid API key in the request")
    if scope not in client.scopes:
        raise RequestProblem(403, "forbidden", f"the key has no scope {scope!r}")
    return client


def read_key(connection: Connection) -> str | None:
    """The key that a request carries, in any of the places where clients of the services put one."""
    kind, _, bearer = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and bearer.strip():
        return bearer.strip()
    for header in KEY_HEADERS:
        if value := connection.headers.get(header):
            return value
    return connection.query_params.get("key")
