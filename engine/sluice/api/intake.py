"""Takes bodies in: within a time, and all of them together within so many bytes."""

from __future__ import annotations

import asyncio

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.types.asgi_types import HTTPRequestEvent, ReceiveMessage

from sluice.api.problems import RETRY_S, RequestProblem


class Bodies:
    """Bytes of the bodies under way. They are held until a request is answered: its post refers to them.

    Parameters
    ----------
    max_bytes : int
        Of all requests together.
    timeout_s : float
        Seconds from a request's head to the end of its body.
    """

    def __init__(self, max_bytes: int, timeout_s: float) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._n_bytes = 0

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application, whose requests read their bodies through here.

        Reading raises `RequestProblem`: 408 for a body that is late, 503 where there is no room for it.
        """

        async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            intake = _Intake(self, receive, asyncio.get_running_loop().time() + self._timeout_s)
            try:
                await app(scope, intake.receive, send)
            finally:
                self._n_bytes -= intake.n_bytes

        return bounded

    def add(self, n_bytes: int) -> None:
        """Count bytes; raises `RequestProblem` where there is no room."""
        if self._n_bytes + n_bytes > self._max_bytes:
            raise RequestProblem(503, "overloaded", "the bodies of other requests leave no room for this one", RETRY_S)
        self._n_bytes += n_bytes


class _Intake:
    """One request's body."""

    def __init__(self, bodies: Bodies, receive: Receive, due: float) -> None:
        self._bodies = bodies
        self._receive = receive
        self._due = due
        self._is_whole = False
        self.n_bytes = 0

    async def receive(self) -> ReceiveMessage:
        if self._is_whole:  # what comes now is that the client has gone
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._due):
                message = await self._receive()
        except TimeoutError as error:
            raise RequestProblem(408, "too_slow", "the body did not arrive in time") from error
        if message["type"] == "http.request":
            self._count(message)
        return message

    def _count(self, message: HTTPRequestEvent) -> None:
        self._is_whole = not message["more_body"]
        n_bytes = len(message["body"])
        self._bodies.add(n_bytes)
        self.n_bytes += n_bytes
