"""A post's way as OpenTelemetry spans, and its trace's context in headers. Only here is OpenTelemetry used.

Spans hold ids and sizes, never content: errors are named by their type alone, since their messages may hold some.
Source: OpenTelemetry's specification of environment variables; W3C Trace Context (``traceparent``, ``tracestate``).
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from sluice.config import TracingConfig

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanKind

logger = logging.getLogger(__name__)

Headers = Sequence[tuple[str, bytes | None]]
Kind = Literal["internal", "consumer", "producer", "server"]
Attribute = str | int | float
SERVICE = "sluice"
PARENT = "traceparent"
CONTEXT_HEADERS = (PARENT, "tracestate")
_PARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
CLOSE_S = 1.0
"""For the last spans, when a process ends: a collector that is away must not hold it up."""

_NOTHING = nullcontext()


class Tracer:
    """Makes spans. This one makes none, and costs nothing: what is traced need not ask whether it is."""

    def span(self, name: str, kind: Kind = "internal", **attributes: Attribute) -> AbstractContextManager[None]:
        """A span around a block, below the one that runs.

        Parameters
        ----------
        attributes : str, int or float
            By name, ``__`` for a dot. Never content.
        """
        return _NOTHING

    def continued(
        self, headers: Iterable[tuple[str, bytes | None]], name: str, kind: Kind, **attributes: Attribute
    ) -> AbstractContextManager[None]:
        """As `span`, below the span that another process names in its headers; the first of a trace without one."""
        return _NOTHING

    def note(self, **attributes: Attribute) -> None:
        """Add attributes to the span that runs."""

    def hand_on(self, headers: Headers) -> Headers:
        """A message's headers with the span that runs in place of the trace's context that was there."""
        return headers

    def close(self) -> None:
        """Send what is left, within `CLOSE_S`."""


UNTRACED = Tracer()


class SpanTracer(Tracer):
    """Makes OpenTelemetry's spans.

    Parameters
    ----------
    provider : TracerProvider
        From the SDK.
    """

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer(SERVICE)
        self._trace: ModuleType = trace
        self._format = TraceContextTextMapPropagator()

    def span(self, name: str, kind: Kind = "internal", **attributes: Attribute) -> AbstractContextManager[None]:
        """See `Tracer.span`."""
        return self._run(name, kind, attributes, None)

    def continued(
        self, headers: Iterable[tuple[str, bytes | None]], name: str, kind: Kind, **attributes: Attribute
    ) -> AbstractContextManager[None]:
        """See `Tracer.continued`."""
        return self._run(name, kind, attributes, self._format.extract(carrier_of(headers)))

    def note(self, **attributes: Attribute) -> None:
        """See `Tracer.note`."""
        self._trace.get_current_span().set_attributes(_dotted(attributes))

    def hand_on(self, headers: Headers) -> Headers:
        """See `Tracer.hand_on`."""
        carrier: dict[str, str] = {}
        self._format.inject(carrier)
        kept = [header for header in headers if header[0] not in CONTEXT_HEADERS]
        return [*kept, *((name, value.encode()) for name, value in carrier.items())]

    @contextmanager
    def _run(
        self, name: str, kind: Kind, attributes: Mapping[str, Attribute], context: Context | None
    ) -> Iterator[None]:
        started = self._tracer.start_as_current_span(
            name,
            context,
            kind=self._kind(kind),
            attributes=_dotted(attributes),
            record_exception=False,
            set_status_on_exception=False,
        )
        with started as span:
            try:
                yield
            except BaseException as error:
                self._fail(span, error)
                raise

    def _kind(self, kind: Kind) -> SpanKind:
        found: SpanKind = getattr(self._trace.SpanKind, kind.upper())
        return found

    def _fail(self, span: Span, error: BaseException) -> None:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(self._trace.StatusCode.ERROR)

    def close(self) -> None:
        """See `Tracer.close`."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(CLOSE_S)


def _dotted(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {name.replace("__", "."): value for name, value in attributes.items()}


def open_tracer(config: TracingConfig) -> Tracer:
    """What makes spans as the environment says; nothing without the extra ``tracing``, which is logged."""
    if not config.enabled:
        return UNTRACED
    try:
        return SpanTracer(_make_provider(config))
    except ImportError as error:
        logger.warning("OTEL_… variables ask for traces, which need the extra [tracing]: %s", error)
        return UNTRACED


def _make_provider(config: TracingConfig) -> TracerProvider:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if config.has_service_name else {"service.name": SERVICE}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_make_exporter(config)))
    return provider


def _make_exporter(config: TracingConfig) -> SpanExporter:
    if config.protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as OverGrpc

        return OverGrpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OverHttp

    return OverHttp()


def carrier_of(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """The trace's context in a message's headers, where there is one."""
    return {name: (value or b"").decode("latin-1") for name, value in headers if name in CONTEXT_HEADERS}


def parent_of(headers: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """The ``traceparent`` of a message, for a header over HTTP; nothing where a publisher wrote anything else there."""
    parent = carrier_of(headers).get(PARENT, "")
    return {PARENT: parent} if _PARENT.fullmatch(parent) else {}


def context_of_caller() -> dict[str, str]:
    """Headers of the span that runs in a program which uses us; none where it does not use OpenTelemetry."""
    if "opentelemetry.trace" not in sys.modules:  # what a program has not loaded, it does not use
        return {}
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return {name: value for name, value in carrier.items() if name in CONTEXT_HEADERS}
