"""A span for each request, below the caller's if it names one in ``traceparent``.

Not OpenTelemetry's own ASGI instrumentation: that puts the query into the span, and the query may hold a key.
"""

from __future__ import annotations

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Middleware, Receive, Scope, Send

from sluice.tracing import UNTRACED, Tracer


def tracing(tracer: Tracer) -> Middleware:
    """A middleware that makes spans; none where nobody asked for them."""

    def around(app: ASGIApp) -> ASGIApp:
        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return

            async def note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    tracer.note(http__response__status_code=message["status"])
                await send(message)

            headers = ((name.decode("latin-1"), value) for name, value in scope["headers"])
            route = f"{scope['method']} {scope['path_template']}"
            with tracer.continued(headers, route, "server", http__request__method=scope["method"]):
                await app(scope, receive, note)

        return traced

    def untouched(app: ASGIApp) -> ASGIApp:
        return app

    return untouched if tracer is UNTRACED else around
