"""The Python clients against the real server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest
import tenacity

from sluice.api.config import ApiConfig
from sluice.errors import InferenceUnavailable, SluiceError
from sluice.http import ApiError, ApiLate, ApiRefused, ApiUnavailable, AsyncClient, Client, Retries
from sluice.http.messages import read_error, read_verdicts
from sluice.schema import Media, Post, Verdict
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving

ONCE = Retries(attempts=1)
ScoreAll = Callable[..., list[Verdict]]


def score_now(address: str, posts: Sequence[Post], **options: Any) -> list[Verdict]:
    with Client(address, **options) as client:
        return client.score_all(posts)


def score_awaited(address: str, posts: Sequence[Post], **options: Any) -> list[Verdict]:
    async def score() -> list[Verdict]:
        async with AsyncClient(address, **options) as client:
            return await client.score_all(posts)

    return asyncio.run(score())


@pytest.fixture(params=[score_now, score_awaited])
def score_all(request: pytest.FixtureRequest) -> ScoreAll:
    """Either client."""
    return request.param


@pytest.fixture(scope="module")
def scorer() -> FakeScorer:
    return FakeScorer()


@pytest.fixture(autouse=True)
def fresh(scorer: FakeScorer) -> None:
    scorer.posts.clear()
    scorer.in_full.clear()
    scorer.error, scorer.late = None, False


@pytest.fixture(scope="module")
def address(scorer: FakeScorer) -> Iterator[str]:
    with serving(scorer, keys=key_entry()) as served:
        yield served


def test_verdicts_are_typed_and_in_the_posts_order(address: str, score_all: ScoreAll) -> None:
    posts = [Post(id="p-1", text="hello"), Post(id="p-2", text="rude", images=(Media.inline(b"picture", "image/png"),))]
    first, second = score_all(address, posts, key=KEY)
    assert (first.post_id, first.decision) == ("p-1", "allow")
    assert (second.post_id, second.reasons[0].label) == ("p-2", "harassment")
    assert set(second.modalities) == {"text", "image:0"}


def test_more_posts_than_a_request_takes_go_in_several(address: str, scorer: FakeScorer, score_all: ScoreAll) -> None:
    posts = [Post(id=f"p-{number}", text="hello") for number in range(205)]
    assert [verdict.post_id for verdict in score_all(address, posts, key=KEY)] == [post.id for post in posts]
    assert score_all(address, [], key=KEY) == []
    assert len(scorer.posts) == 205


def test_who_needs_scores_has_all_models_read(address: str, scorer: FakeScorer, score_all: ScoreAll) -> None:
    posts = [Post(id="p-1", text="hello")]
    for options in ({}, {"in_full": True}, {"in_full": False}):
        score_all(address, posts, key=KEY, **options)
    assert scorer.in_full == [False, True, False]


def test_one_post_has_one_verdict(address: str) -> None:
    with Client(address, key=KEY) as client:
        assert client.score(Post(id="p-1", text="hello")).post_id == "p-1"

    async def score() -> Verdict:
        async with AsyncClient(address, key=KEY) as client:
            return await client.score(Post(id="p-2", text="hello"))

    assert asyncio.run(score()).post_id == "p-2"


@pytest.mark.parametrize(
    ("post", "key", "status", "code"),
    [
        (Post(id="p-1", text=""), KEY, 400, "invalid"),
        (Post(id="p-1", images=(Media("file:///etc/passwd"),)), KEY, 400, "invalid"),
        (Post(id="p-1", text="a"), "wrong", 401, "unauthenticated"),
        (Post(id="p-1", text="a"), None, 401, "unauthenticated"),
    ],
)
def test_a_wrong_request_is_refused_once(
    address: str, score_all: ScoreAll, post: Post, key: str | None, status: int, code: str
) -> None:
    with pytest.raises(ApiRefused) as refused:
        score_all(address, [post], key=key)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert isinstance(refused.value, SluiceError)


def test_what_was_scored_before_the_deadline_comes_along(address: str, scorer: FakeScorer, score_all: ScoreAll) -> None:
    scorer.late = True
    with pytest.raises(ApiLate) as late:
        score_all(address, [Post(id="p-1", text="a", deadline_ms=5)], key=KEY)
    (verdict,) = late.value.verdicts
    assert verdict.modalities["text"].startswith("failed: late")
    assert len(scorer.posts) == 1


def test_an_outage_is_waited_out(address: str, scorer: FakeScorer, score_all: ScoreAll) -> None:
    scorer.failures.append(InferenceUnavailable("down"))
    (verdict,) = score_all(address, [Post(id="p-1", text="a")], key=KEY)
    assert verdict.decision == "allow"
    assert len(scorer.posts) == 2


def test_pauses_are_at_least_what_the_server_asks_for() -> None:
    pause_s = Retries().as_options()["wait"]
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.set_exception((ApiUnavailable, ApiUnavailable(503, "x", "x", 7.0), None))
    assert 7 <= pause_s(state) <= 17
    state.set_exception((ApiUnavailable, ApiUnavailable(0, "x", "x"), None))
    assert 0 <= pause_s(state) <= 10


def test_attempts_end(address: str, scorer: FakeScorer, score_all: ScoreAll) -> None:
    scorer.error = InferenceUnavailable("down")
    with pytest.raises(ApiUnavailable) as away:
        score_all(address, [Post(id="p-1", text="a")], key=KEY, retries=ONCE)
    assert (away.value.status, away.value.code, away.value.retry_after_s) == (503, "models_unavailable", 1.0)
    assert len(scorer.posts) == 1


def test_a_server_that_asks_for_too_much_patience_is_not_asked_again(scorer: FakeScorer, score_all: ScoreAll) -> None:
    with serving(scorer, keys=key_entry(posts_per_day=1)) as address:
        score_all(address, [Post(id="p-1", text="a")], key=KEY)
        with pytest.raises(ApiUnavailable) as refused:
            score_all(address, [Post(id="p-2", text="a")], key=KEY, retries=Retries(attempts=10, max_pause_s=0.5))
    assert (refused.value.status, refused.value.code) == (429, "rate_limited")


def test_a_server_that_is_not_there_is_unavailable(score_all: ScoreAll) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ApiUnavailable, match="no answer: ConnectError"):
        score_all(f"http://user:secret@127.0.0.1:{port}", [Post(id="p-1", text="a")], retries=ONCE)


def test_an_answer_that_takes_too_long_is_unavailable(scorer: FakeScorer, score_all: ScoreAll) -> None:
    scorer.gate.clear()
    with serving(scorer, ApiConfig()) as address:
        with pytest.raises(ApiUnavailable, match="ReadTimeout"):
            score_all(address, [Post(id="p-1", text="a")], timeout_s=0.05, retries=ONCE)
        scorer.gate.set()


@pytest.mark.parametrize("status", [302, 404, 418, 500, 502])
def test_a_proxys_page_is_an_error_with_its_status(status: int) -> None:
    error = read_error(httpx.Response(status, html="<p>Oops</p>"))
    assert (error.status, error.code, error.detail) == (status, "unexpected", f"HTTP status {status}")


def test_an_answer_that_holds_no_verdicts_is_an_error() -> None:
    with pytest.raises(ApiError, match="holds no verdicts"):
        read_verdicts(httpx.Response(200, text="hello"))
