"""What strangers send too much of, too slowly, or from elsewhere; and what becomes of keys."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client import CollectorRegistry

from sluice.api.app import make_app
from sluice.api.config import ApiConfig
from sluice.api.feedback import Feedback
from sluice.api.scoring import ScoringService
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving

PATIENCE_S = 60.0
ENDPOINTS: dict[str, dict[str, Any]] = {
    "/v1/posts": {"text": "a"},
    "/v1/moderations": {"input": "a"},
    "/v1alpha1/comments:analyze": {"comment": {"text": "a"}, "requestedAttributes": {"TOXICITY": {}}},
    "/contentsafety/text:analyze": {"text": "a"},
}
FREE = {"/livez", "/readyz", "/docs"}
"""What needs no key."""
HEAD = b"POST /v1/posts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    where = urlsplit(address)
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE_S) as connection:
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    """Everything until the server hangs up."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize("begun", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_head_that_does_not_end_ends_the_connection(scorer: FakeScorer, begun: bytes) -> None:
    with serving(scorer, ApiConfig(head_timeout_s=0.05)) as address, connected(address) as connection:
        connection.sendall(begun)
        assert read_to_end(connection) == b""


def test_the_second_head_on_a_connection_has_to_end_too(scorer: FakeScorer) -> None:
    with serving(scorer, ApiConfig(head_timeout_s=0.05)) as address, connected(address) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\n")
        assert read_to_end(connection).count(b"alive") == 1


def test_a_body_that_does_not_end_is_answered_408(scorer: FakeScorer) -> None:
    with serving(scorer, ApiConfig(body_timeout_s=0.05, head_timeout_s=0.05)) as address, connected(address) as slow:
        slow.sendall(HEAD + b"{")
        head, _, body = read_to_end(slow).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["code"] == "too_slow"
    assert not scorer.posts


def test_a_body_in_pieces_is_whole(scorer: FakeScorer) -> None:
    with serving(scorer) as address:
        pieces = (piece for piece in (b'{"text"', b': "a"', b"}"))
        answer = httpx.post(f"{address}/v1/posts", content=pieces, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_over_the_limit_is_refused_in_each_services_words(
    scorer: FakeScorer, path: str, is_announced: bool
) -> None:
    body = json.dumps({**ENDPOINTS[path], "more": "a" * 2000}).encode()
    content: Any = body if is_announced else (piece for piece in (body[:1500], body[1500:]))
    with serving(scorer, ApiConfig(max_body_bytes=1000)) as address:
        answer = httpx.post(address + path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "error" in answer.json() or answer.json()["code"] == "too_large"
    assert not scorer.posts


def test_bodies_under_way_have_so_many_bytes_together() -> None:
    scorer = FakeScorer()
    scorer.gate.clear()
    large = {"text": "a" * 600}
    with serving(scorer, ApiConfig(max_bodies_bytes=1000)) as address, ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.post, f"{address}/v1/posts", json=large, timeout=PATIENCE_S)
        while not scorer.posts:
            threading.Event().wait(0.001)
        refused = httpx.post(f"{address}/v1/posts", json=large, timeout=PATIENCE_S)
        small = httpx.post(f"{address}/v1/posts", json={"text": ""}, timeout=PATIENCE_S)
        scorer.gate.set()
        assert first.result().status_code == 200
        assert httpx.post(f"{address}/v1/posts", json=large, timeout=PATIENCE_S).status_code == 200
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "overloaded", "1")
    assert small.status_code == 400  # there was room to read it


def test_connections_over_the_limit_are_refused(scorer: FakeScorer) -> None:
    with serving(scorer, ApiConfig(max_connections=2)) as address, connected(address):
        answer = httpx.get(f"{address}/livez")
    assert answer.status_code == 503


def test_a_request_is_taken_whole_or_not_at_all() -> None:
    scorer = FakeScorer()
    scorer.gate.clear()
    with serving(scorer, ApiConfig(max_in_flight=3)) as address, ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.post, f"{address}/v1/posts", json=[{"text": "a"}] * 2, timeout=PATIENCE_S)
        while len(scorer.posts) < 2:
            threading.Event().wait(0.001)
        refused = httpx.post(f"{address}/v1/posts", json=[{"text": "b"}] * 2, timeout=PATIENCE_S)
        scorer.gate.set()
        assert first.result().status_code == 200
        assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
        assert {post.text for post in scorer.posts} == {"a"}
        alone = httpx.post(f"{address}/v1/posts", json=[{"text": "c"}] * 5, timeout=PATIENCE_S)
        assert alone.status_code == 200  # more than may be at once, and nobody else is there


def test_a_deadline_in_a_list_leaves_what_was_scored(scorer: FakeScorer) -> None:
    scorer.late_texts = {"slow"}
    with serving(scorer) as address:
        answer = httpx.post(f"{address}/v1/posts", json=[{"text": "slow"}, {"text": "rude"}])
    assert answer.status_code == 504
    late, scored = answer.json()["verdicts"]
    assert late["modalities"]["text"].startswith("failed: late")
    assert (scored["modalities"]["text"], scored["scores"]["harassment"]) == ("ok", 0.9)


ORIGIN = "https://forum.example"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


def test_a_page_may_ask_first_and_then_read_what_errors_say(scorer: FakeScorer) -> None:
    config, keys = ApiConfig(cors_origins=(ORIGIN,)), key_entry(posts_per_day=1)
    with serving(scorer, config, keys) as address, httpx.Client(base_url=address) as client:
        asked = client.options("/v1/posts", headers=PREFLIGHT)
        assert asked.status_code < 300
        assert asked.headers["access-control-allow-origin"] == ORIGIN
        assert "POST" in asked.headers["access-control-allow-methods"]
        assert client.post("/v1/posts", json={"text": "a"}, headers={"Origin": ORIGIN}).status_code == 401
        headers = {"Origin": ORIGIN, "Authorization": f"Bearer {KEY}"}
        answers = [client.post("/v1/posts", json={"text": "a"}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "retry-after" in answer.headers["access-control-expose-headers"].lower()


def test_a_page_of_another_origin_is_told_nothing(scorer: FakeScorer) -> None:
    with serving(scorer, ApiConfig(cors_origins=(ORIGIN,))) as address:
        other = {**PREFLIGHT, "Origin": "https://other.example"}
        assert "access-control-allow-origin" not in httpx.options(f"{address}/v1/posts", headers=other).headers
        answer = httpx.post(f"{address}/v1/posts", json={"text": "a"}, headers={"Origin": "https://other.example"})
    assert answer.headers.get("access-control-allow-origin") in (None, ORIGIN)


def test_every_route_but_health_and_reference_needs_a_key(scorer: FakeScorer) -> None:
    app = make_app(ApiConfig(), ScoringService(scorer, 1), CollectorRegistry(), None, Feedback())
    routes = [(route.path, method) for route in app.routes for method in route.methods if method != "OPTIONS"]
    assert {path for path, _ in routes} >= {*FREE, *ENDPOINTS, "/metrics", "/openapi.json"}
    with serving(scorer, keys=key_entry()) as address, httpx.Client(base_url=address) as client:
        answers = {path: client.request(method, path, json={}).status_code for path, method in routes}
    assert {path for path, status in answers.items() if status != 401} == FREE


def test_keys_are_never_logged(scorer: FakeScorer, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    scorer.error = RuntimeError("unexpected")  # type: ignore[assignment]
    wrong = "sk-wrong-key"
    with (
        caplog.at_level(logging.DEBUG),
        serving(scorer, keys=key_entry(scopes=("score", "feedback")), feedback=tmp_path / "kept") as address,
        httpx.Client(base_url=address) as client,
    ):
        logging.getLogger("httpx").setLevel(logging.WARNING)  # the caller's own
        logging.getLogger("httpcore").setLevel(logging.WARNING)
        for key in (KEY, wrong):
            for path, body in ENDPOINTS.items():
                client.post(path, json=body, params={"key": key})
                client.post(path, json=body, headers={"Authorization": f"Bearer {key}"})
            client.post("/v1/posts", content=b"{", headers={"Ocp-Apim-Subscription-Key": key})
            client.get("/nowhere", params={"key": key})
    assert "a request failed: RuntimeError" in caplog.text
    assert KEY not in caplog.text
    assert wrong not in caplog.text


@pytest.mark.parametrize(
    ("body", "said"), [(b'{"text": "\xff"}', "not UTF-8"), (b'{"a":' * 50_000, "nested too deeply")]
)
@pytest.mark.parametrize("path", ["/v1/posts", "/v1/decisions", "/v1/moderations", "/v1alpha1/comments:analyze"])
def test_a_body_that_cannot_be_read_is_refused_not_a_fault(
    scorer: FakeScorer, path: str, body: bytes, said: str
) -> None:
    with serving(scorer) as address:
        answer = httpx.post(address + path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert said in answer.text or "decod" in answer.text.lower() or "malformed" in answer.text.lower()
