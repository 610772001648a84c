"""A trace through real Kafka to a collector, and verdicts in another form on the way."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider

from sluice.client import Outcome, Outcomes, Publisher
from sluice.formats import FORMATS, Format
from sluice.local.kafka import NativeKafka
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Post

pytestmark = [pytest.mark.integration, pytest.mark.kafka]

WAIT_S = 60.0
SECRET = "See you at lunch, and tell nobody"


class Collector:
    """Takes spans over OTLP; `complete` is set when a trace has the posts of every form.

    The broker is other tests' too: posts of theirs are read as well, and each is a trace of its own.
    """

    def __init__(self) -> None:
        self.moderated: Counter[bytes] = Counter()
        self.parents: dict[bytes, bytes] = {}
        self.names: dict[bytes, str] = {}
        self.received = b""
        self.complete = threading.Event()

    def take(self, body: bytes) -> None:
        self.received += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                self.names[span.span_id], self.parents[span.span_id] = span.name, span.parent_span_id
                self.moderated[span.trace_id] += span.name == "moderate"
        if max(self.moderated.values(), default=0) == len(FORMATS):
            self.complete.set()

    def path_of(self, span_id: bytes) -> list[str]:
        """Names from a span up to what is not ours."""
        return [] if span_id not in self.names else [self.names[span_id], *self.path_of(self.parents[span_id])]


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def exchange(stack: Stack) -> dict[str, Outcome]:
    """A post in each form, inside a span of the publisher's; its outcomes by id."""
    tracer, found = TracerProvider().get_tracer("a forum"), dict[str, Outcome]()
    with Outcomes(stack.kafka, kinds=("verdict",)) as outcomes, tracer.start_as_current_span("publishing") as span:
        trace_id = f"{span.get_span_context().trace_id:032x}"
        for form in FORMATS:
            with Publisher(stack.kafka, form=form) as publisher:
                publisher.publish(Post(id=f"{trace_id}-{form}", text=SECRET))
        while len(found) < len(FORMATS):
            found |= {key: one for one in outcomes.poll(0.5) if (key := str(one.key, "utf-8")).startswith(trace_id)}
            stack.check()
    return found


@pytest.mark.parametrize("form", ["avro"])
def test_a_posts_way_is_one_trace_and_its_verdict_in_the_form_that_is_set(
    form: Format, kafka_broker: NativeKafka, triton_server: TritonServer, tmp_path: Path
) -> None:
    with collecting() as (collector, endpoint):
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100",
            "SLUICE_VERDICT_FORMAT": form, "SLUICE_GROUP": "traced",
        }  # fmt: skip
        config = StackConfig(
            tmp_path,
            triton_repository(),
            kafka=kafka_broker.kafka,
            triton=triton_server.address,
            worker_environment=environment,
        )
        with Stack(config) as stack:
            outcomes = exchange(stack)
            assert collector.complete.wait(WAIT_S)
    for key, outcome in outcomes.items():
        verdict = outcome.verdict()
        assert (verdict.post_id, verdict.decision, verdict.modalities) == (key, "allow", {"text": "ok"})
        assert outcome.header("content-type") == f"application/{form}"
        _, trace_id, span_id, _ = (outcome.header("traceparent") or "").split("-")
        assert trace_id == key.partition("-")[0]
        assert collector.path_of(bytes.fromhex(span_id)) == ["publish", "moderate"]
    ways = {tuple(collector.path_of(span_id)) for span_id in collector.names}
    below = {("encode", "score", "moderate"), ("fuse", "score", "moderate"), ("receive", "moderate")}
    assert below <= ways
    assert SECRET.encode() not in collector.received
