"""``POST /v1/posts``, health, and what every answer has."""

from __future__ import annotations

import base64
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from sluice.api.config import ApiConfig
from sluice.errors import InferenceUnavailable
from sluice.schema import decode_verdict
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving


def test_one_post_gives_one_verdict(client: httpx.Client) -> None:
    answer = client.post("/v1/posts", json={"id": "p-1", "text": "a menace"})
    assert answer.status_code == 200
    verdict = decode_verdict(answer.content)
    assert (verdict.post_id, verdict.decision, verdict.reasons[0].label) == ("p-1", "review", "threat")


def test_who_needs_scores_has_all_models_read(client: httpx.Client, scorer: FakeScorer) -> None:
    for query in ("", "?in_full=true", "?in_full=false"):
        assert client.post(f"/v1/posts{query}", json={"text": "hello"}).status_code == 200
    assert client.post("/v1/posts:upload?in_full=true", files={"text": (None, "hello")}).status_code == 200
    assert scorer.in_full == [False, True, False, True]


def test_several_posts_give_verdicts_in_their_order_and_ids_may_be_left_out(client: httpx.Client) -> None:
    verdicts = client.post("/v1/posts", json=[{"text": "hello"}, {"id": "b", "text": "rude"}]).json()["verdicts"]
    assert [verdict["decision"] for verdict in verdicts] == ["allow", "review"]
    assert verdicts[1]["post_id"] == "b"
    assert len(verdicts[0]["post_id"]) == 36


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "posts[0] has no text, no images and no audio"),
        ([{"text": "a"}, {"text": ""}], "posts[1] has no text"),
        ([], "1 to 100 posts, not 0"),
        ([{"text": "a"}] * 101, "1 to 100 posts, not 101"),
        ({"images": [{"uri": "file:///etc/passwd"}]}, "posts[0].images[0]: the address begins with none of"),
        ({"audio": [{"uri": "s3://bucket/a"}]}, "posts[0].audio[0]: the address begins with none of"),
        ({"text": 3}, "text: Expected"),
        ({"text": "a", "deadline_ms": 0}, "deadline_ms: Expected"),
    ],
)
def test_a_wrong_request_is_a_problem_that_says_where(client: httpx.Client, body: object, detail: str) -> None:
    answer = client.post("/v1/posts", json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"]) == (400, "invalid")
    assert detail in problem["detail"]


@pytest.mark.parametrize("raw", [b"{", b"\xff", b'"text"', b""])
def test_what_is_no_json_is_a_problem(client: httpx.Client, raw: bytes) -> None:
    answer = client.post("/v1/posts", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


def test_files_travel_in_a_form(client: httpx.Client, scorer: FakeScorer) -> None:
    files = [("images", ("a.png", b"picture", "image/png")), ("audio", ("b.wav", b"sound", "audio/wav"))]
    answer = client.post("/v1/posts:upload", data={"text": "rude"}, files=files)
    assert answer.status_code == 200, answer.text
    (post,) = scorer.posts
    assert post.images[0].uri == "data:image/png;base64," + base64.b64encode(b"picture").decode()
    assert post.audio[0].uri.startswith("data:audio/wav;base64,")
    assert post.text == "rude"


def test_an_empty_form_is_a_problem(client: httpx.Client) -> None:
    answer = client.post("/v1/posts:upload", files={"other": b"x"})
    assert answer.status_code == 400
    assert "the form has no text" in answer.json()["detail"]


def test_models_that_are_away_are_503_with_a_time_to_wait(client: httpx.Client, scorer: FakeScorer) -> None:
    scorer.error = InferenceUnavailable("Triton at 10.0.0.7 is down")
    answer = client.post("/v1/posts", json={"text": "hello"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "10.0.0.7" not in answer.text


def test_a_deadline_that_passed_is_504_with_what_was_scored(client: httpx.Client, scorer: FakeScorer) -> None:
    scorer.late = True
    answer = client.post("/v1/posts", json={"id": "p-1", "text": "menace", "deadline_ms": 5})
    assert answer.status_code == 504
    assert [each["post_id"] for each in answer.json()["verdicts"]] == ["p-1"]
    assert scorer.posts[0].deadline_ms == 5


def test_an_unexpected_error_says_nothing_of_the_post(client: httpx.Client, scorer: FakeScorer) -> None:
    scorer.error = RuntimeError("menace")  # type: ignore[assignment]
    answer = client.post("/v1/posts", json={"text": "menace"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "menace" not in answer.text


def test_more_posts_than_may_be_under_way_are_refused_and_the_next_go_on() -> None:
    scorer = FakeScorer(gate=threading.Event())
    scorer.gate.clear()
    with serving(scorer, ApiConfig(max_in_flight=1)) as address, ThreadPoolExecutor(1) as pool:
        first = pool.submit(httpx.post, f"{address}/v1/posts", json={"text": "a"}, timeout=60)
        while not scorer.posts:
            threading.Event().wait(0.001)
        refused = httpx.post(f"{address}/v1/posts", json={"text": "b"}, timeout=60)
        scorer.gate.set()
        assert first.result().status_code == 200
        assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
        assert "retry-after" in refused.headers
        assert httpx.post(f"{address}/v1/posts", json={"text": "c"}, timeout=60).status_code == 200


def test_a_body_over_the_limit_is_refused(scorer: FakeScorer) -> None:
    with serving(scorer, ApiConfig(max_body_bytes=1000)) as address:
        answer = httpx.post(f"{address}/v1/posts", json={"text": "a" * 2000}, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert not scorer.posts


def test_health(client: httpx.Client, scorer: FakeScorer) -> None:
    assert client.get("/livez").text == "alive\n"
    assert client.get("/readyz").status_code == 200
    scorer.away = InferenceUnavailable("text_encoder does not answer")
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200


def test_metrics_are_served(client: httpx.Client) -> None:
    assert client.get("/metrics").headers["content-type"].startswith("text/plain")


def test_every_answer_names_its_request(client: httpx.Client) -> None:
    assert client.get("/livez", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"
    made = client.get("/nowhere", headers={"X-Request-Id": "x" * 300}).headers["x-request-id"]
    assert len(made) == 32


def test_an_unknown_path_and_method_are_problems(client: httpx.Client) -> None:
    assert client.get("/nowhere").json()["code"] == "not_found"
    assert client.get("/v1/posts").status_code == 405


def test_the_reference_lists_every_endpoint_and_loads_nothing(client: httpx.Client) -> None:
    page = client.get("/docs").text
    for path in ("/v1/posts", "/v1/moderations", "/v1alpha1/comments:analyze", "/contentsafety/text:analyze"):
        assert f"{path}</code>" in page
    assert "<script" not in page
    assert "://" not in page.replace("http://127.0.0.1", "").replace("https:", "https").replace("http:", "http")


def test_the_openapi_document_names_messages(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert "/v1/moderations" in document["paths"]
    assert "Verdict" in document["components"]["schemas"]


def test_no_page_of_another_origin_may_call_unless_it_is_named(scorer: FakeScorer) -> None:
    origin = {"Origin": "https://forum.example"}
    with serving(scorer) as address:
        assert "access-control-allow-origin" not in httpx.get(f"{address}/livez", headers=origin).headers
    with serving(scorer, ApiConfig(cors_origins=("https://forum.example",))) as address:
        allowed = httpx.get(f"{address}/livez", headers=origin).headers["access-control-allow-origin"]
        assert allowed == "https://forum.example"


@pytest.mark.parametrize("path", ["/v1/posts", "/v1/posts:upload", "/v1/moderations", "/contentsafety/text:analyze"])
def test_without_a_key_nothing_is_scored_where_keys_are_set(scorer: FakeScorer, path: str) -> None:
    with serving(scorer, keys=key_entry()) as address:
        assert httpx.post(address + path, json={"text": "a", "input": "a"}).status_code == 401
        assert httpx.get(f"{address}/metrics").status_code == 401
        assert httpx.get(f"{address}/livez").status_code == 200
        assert httpx.get(f"{address}/docs").status_code == 200
    assert not scorer.posts


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Authorization": f"Bearer {KEY}"}, {}),
        ({"Ocp-Apim-Subscription-Key": KEY}, {}),
        ({"X-Goog-Api-Key": KEY}, {}),
        ({}, {"key": KEY}),
    ],
)
def test_a_key_is_taken_where_clients_put_it(
    scorer: FakeScorer, headers: dict[str, str], query: dict[str, str]
) -> None:
    with serving(scorer, keys=key_entry()) as address:
        answer = httpx.post(f"{address}/v1/posts", json={"text": "a"}, headers=headers, params=query)
    assert answer.status_code == 200


def test_a_key_without_the_scope_is_refused(scorer: FakeScorer) -> None:
    with serving(scorer, keys=key_entry(scopes=("metrics",))) as address:
        called = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"})
        assert called.post("/v1/posts", json={"text": "a"}).status_code == 403
        assert called.get("/metrics").status_code == 200


def test_a_key_over_its_limit_waits(scorer: FakeScorer) -> None:
    with serving(scorer, keys=key_entry(posts_per_day=2)) as address:
        called = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"})
        assert called.post("/v1/posts", json=[{"text": "a"}, {"text": "b"}]).status_code == 200
        refused = called.post("/v1/posts", json={"text": "c"})
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
