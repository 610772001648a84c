"""A post's way as spans: which there are, below what, and that none holds content."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from sluice import tracing
from sluice.config import Topics, TracingConfig
from sluice.errors import SettingsError
from sluice.metrics import Metrics
from sluice.pipeline import Pipeline
from sluice.schema import Media, Post, encode
from sluice.settings import load_settings
from sluice.stream.dead_letters import Headers, Message
from sluice.stream.moderation import Moderator
from sluice.tracing import UNTRACED, SpanTracer, Tracer, carrier_of, context_of_caller, open_tracer, parent_of
from tests.engine.api.conftest import FakeScorer, serving
from tests.engine.pipelines import POLICIES, Bench
from tests.engine.stream.test_moderation import FakeOutbox

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{CALLER}-01"
SECRET = "a secret that nobody may read"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> Iterator[SpanTracer]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = SpanTracer(provider)
    yield tracer
    tracer.close()


async def moderate(tracer: Tracer, value: bytes, headers: Headers = ()) -> FakeOutbox:
    """A message through a moderator and a pipeline over fakes."""
    bench, outbox, metrics = Bench(), FakeOutbox(), Metrics(CollectorRegistry())
    pipeline = Pipeline(bench.modalities, bench.classifier, POLICIES, metrics, tracer=tracer)
    moderator = Moderator(pipeline, outbox, Topics(), metrics, lambda: False, tracer=tracer)
    await moderator.handle(Message(b"p", value, headers, None, "moderation.posts/2/7"))
    return outbox


def named(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def parent_name(span: ReadableSpan, spans: dict[str, ReadableSpan]) -> str | None:
    ids = {each.context.span_id: name for name, each in spans.items()}
    return ids.get(span.parent.span_id) if span.parent else None


async def test_every_step_of_a_post_is_a_span_below_the_publishers(
    tracer: SpanTracer, exporter: InMemorySpanExporter
) -> None:
    post = Post(id="p-1", text=SECRET, images=(Media("a:ok"),))
    outbox = await moderate(tracer, encode(post), [("traceparent", PARENT.encode()), ("mine", b"1")])
    spans = named(exporter)
    above = {name: parent_name(span, spans) for name, span in spans.items()}
    assert above == {
        "moderate": None, "receive": "moderate", "score": "moderate", "fetch": "score", "extract": "score",
        "encode": "score", "fuse": "score", "decide": "score", "publish": "moderate",
    }  # fmt: skip
    assert spans["moderate"].parent.span_id == int(CALLER, 16)
    assert {span.context.trace_id for span in spans.values()} == {int(TRACE, 16)}
    assert spans["score"].attributes == {"sluice.post_id": "p-1", "sluice.decision": "allow"}
    parts = [str(span.attributes["sluice.part"]) for span in exporter.get_finished_spans() if span.name == "encode"]
    assert sorted(parts) == ["image:0", "text"]
    ((_, _, _, headers),) = outbox.sent
    publish = spans["publish"].context
    assert sorted(headers) == [("mine", b"1"), ("traceparent", f"00-{TRACE}-{publish.span_id:016x}-01".encode())]


async def test_no_span_holds_what_was_posted(tracer: SpanTracer, exporter: InMemorySpanExporter) -> None:
    """Nor the message of an error, which may."""
    await moderate(tracer, encode(Post(id="p-1", text=SECRET, images=(Media("a:bug"), Media("a:gone")))))
    await moderate(tracer, SECRET.encode())
    spans = exporter.get_finished_spans()
    assert len(spans) > 10
    assert "secret" not in "".join(span.to_json() for span in spans)
    failed = [span for span in spans if not span.status.is_ok]
    assert {span.attributes["error.type"] for span in failed} == {"RuntimeError", "MediaUnavailable", "InvalidPost"}


async def test_a_dead_letter_keeps_the_headers_that_came(tracer: SpanTracer) -> None:
    outbox = await moderate(tracer, b"no post", [("traceparent", PARENT.encode())])
    assert ("traceparent", PARENT.encode()) in outbox.sent[0][3]


async def test_without_a_tracer_headers_go_through_and_no_span_is_made(exporter: InMemorySpanExporter) -> None:
    outbox = await moderate(UNTRACED, encode(Post(id="p-1", text="hello")), [("traceparent", PARENT.encode())])
    assert outbox.sent[0][3] == [("traceparent", PARENT.encode())]
    assert UNTRACED.span("score") is UNTRACED.span("fuse"), "nothing is made for a span that nobody wants"
    assert exporter.get_finished_spans() == ()


def test_a_request_is_a_span_below_the_callers_and_without_its_query(
    tracer: SpanTracer, exporter: InMemorySpanExporter
) -> None:
    with serving(FakeScorer(), tracer=tracer) as address:
        headers = {"traceparent": PARENT}
        assert httpx.post(f"{address}/v1/posts?key=hidden", json={"text": "hello"}, headers=headers).is_success
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.parent.span_id) == ("POST /v1/posts", int(CALLER, 16))
    assert span.attributes == {"http.request.method": "POST", "http.response.status_code": 200}
    assert "hidden" not in span.to_json()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/v1/posts", "{", 400), ("/v1/posts", '{"text": ""}', 400), ("/v1/nowhere", "{}", 404)],
)
def test_a_request_that_is_refused_is_answered_as_without_a_trace(
    path: str, body: str, status: int, tracer: SpanTracer, exporter: InMemorySpanExporter
) -> None:
    with serving(FakeScorer(), tracer=tracer) as address:
        headers = {"Content-Type": "application/json"}
        assert httpx.post(address + path, content=body, headers=headers).status_code == status
    statuses = [span.attributes.get("http.response.status_code") for span in exporter.get_finished_spans()]
    assert statuses in ([status], [])


def test_a_program_that_uses_opentelemetry_hands_its_span_on(tracer: SpanTracer) -> None:
    assert context_of_caller() == {}
    with tracer.span("a publisher's"):
        span = trace.get_current_span().get_span_context()
        assert context_of_caller()["traceparent"][:-1] == f"00-{span.trace_id:032x}-{span.span_id:016x}-0"


def test_one_that_has_not_loaded_it_hands_on_nothing(tracer: SpanTracer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    with tracer.span("a publisher's"):
        assert context_of_caller() == {}


@pytest.mark.parametrize(("parent", "kept"), [(PARENT, True), (PARENT + "\r\nx: y", False), ("", False)])
def test_only_what_is_a_parent_becomes_an_http_header(parent: str, kept: bool) -> None:
    headers = [("traceparent", parent.encode()), ("other", None)]
    assert parent_of(headers) == ({"traceparent": PARENT} if kept else {})
    assert carrier_of(headers) == {"traceparent": parent}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, TracingConfig()),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, TracingConfig(enabled=True)),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, TracingConfig()),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, TracingConfig()),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, TracingConfig(protocol="grpc")),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces", "OTEL_SERVICE_NAME": "mine"},
            TracingConfig(enabled=True, has_service_name=True),
        ),
    ],
)
def test_the_environment_asks_for_traces(environ: dict[str, str], expected: TracingConfig) -> None:
    assert load_settings(environ).tracing == expected


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_TRACES_EXPORTER", "jaeger"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]
)
def test_what_cannot_be_sent_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}: '{value}' is none of"):
        load_settings({variable: value})


def test_without_the_extra_nothing_is_traced_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert open_tracer(TracingConfig(enabled=True)) is UNTRACED
    assert "need the extra [tracing]" in caplog.text


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_that_is_away_does_not_hold_up_the_end(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(tracing, "CLOSE_S", 0.01)
        tracer = open_tracer(TracingConfig(enabled=True, protocol=protocol))
        with suppress(ValueError), tracer.span("one"):
            raise ValueError
        closing = threading.Thread(target=tracer.close, daemon=True)
        closing.start()
        closing.join(30)
        assert not closing.is_alive()
