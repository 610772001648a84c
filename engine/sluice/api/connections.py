"""HTTP connections that are not kept for ever.

uvicorn bounds how long one is idle, and this how long a request may take to arrive. Without it a few clients who send a
byte now and then hold all the connections that there are (slowloris).
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import h11
import uvicorn
from litestar.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from sluice.api.config import ApiConfig
from sluice.errors import SettingsError

KEEP_ALIVE_S = 30
GRACE_S = 10
"""Requests under way have so long to end."""


def make_server(app: ASGIApp, config: ApiConfig) -> uvicorn.Server:
    """The server that runs the application. Queries hold keys, so requests are not logged."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=impatient(config.head_timeout_s),
            ws="none",
            limit_concurrency=config.max_connections,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections send at once; raises `SettingsError`.

    uvicorn writes an answer's head and body apart. asyncio sets ``TCP_NODELAY`` only where a socket names its protocol,
    which those of `socket.create_server` do not: the body would wait 40 ms for the client to acknowledge the head.
    """
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # its connections inherit it
    return listening


def impatient(head_timeout_s: float) -> type[H11Protocol]:
    """Connections that are closed when a request's head is not whole so many seconds after it could have begun.

    The same time is left to a client that goes on with a body after it has been refused, so that it can read why.
    """

    class ImpatientProtocol(H11Protocol):
        """One connection."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._patience: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._start()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is h11.IDLE:
                self._start()
            elif self.cycle and not self.cycle.response_complete:
                self._stop()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            begun = bool(self.conn.trailing_data[0])
            if begun or self.conn.their_state is h11.SEND_BODY:
                self._start()

        def _start(self) -> None:
            self._patience = self._patience or self.loop.call_later(head_timeout_s, self.transport.close)

        def _stop(self) -> None:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None

    return ImpatientProtocol
