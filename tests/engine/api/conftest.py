"""The HTTP application on a real server, over a scripted scorer."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser, Page
from prometheus_client import CollectorRegistry

from sluice.api.app import make_app
from sluice.api.config import ApiConfig
from sluice.api.connections import listen, make_server
from sluice.api.explanations import Explainer
from sluice.api.feedback import Feedback, FeedbackFile
from sluice.api.keys import KeyEntry, KeyRing, hash_key
from sluice.api.scoring import ScoringService
from sluice.client.reports import ReportPublisher
from sluice.errors import SluiceError
from sluice.history.remembered import RememberedAuthors
from sluice.jobs.desk import JobDesk
from sluice.policies.desk import PolicyDesk
from sluice.schema import LABELS, DetectedLanguage, PolicyRef, Post, Reason, Verdict
from sluice.tracing import UNTRACED, Tracer
from sluice.verdict.policy import Policy, Thresholds
from sluice.watching.hashes import BankDesk
from sluice.watching.lists import ListDesk
from tests.browser import open_browser, open_page

if TYPE_CHECKING:
    from tests.engine.api.seeing import SeeingScorer

THRESHOLD = 0.5
WORDS = {"menace": "threat", "rude": "harassment", "nasty": "toxicity", "casino": "gambling", "vile": "hate"}
"""A word of these in a text, and its label scores 0.9."""
POLICY = Policy(name="test", version=1, labels=dict.fromkeys(LABELS, Thresholds(THRESHOLD)))
BAD_IMAGE = "data:image/png;base64,AAAA"
KEY = "sk-sluice-test"


@dataclass
class FakeScorer:
    """Scores by words; `error` is raised instead, each of `failures` once, and posts wait at `gate`."""

    error: SluiceError | None = None
    failures: list[SluiceError] = field(default_factory=list)
    away: SluiceError | None = None
    posts: list[Post] = field(default_factory=list)
    in_full: list[bool] = field(default_factory=list)
    late: bool = False
    late_texts: set[str] = field(default_factory=set)
    gate: threading.Event = field(default_factory=threading.Event)
    policy: Policy = POLICY

    def __post_init__(self) -> None:
        self.gate.set()

    async def score(self, post: Post, published_at: float | None = None, *, in_full: bool = False) -> Verdict:
        self.posts.append(post)
        self.in_full.append(in_full)
        if self.error:
            raise self.error
        if self.failures:
            raise self.failures.pop()
        await asyncio.to_thread(self.gate.wait)
        return self._judge(post)

    async def confirm(self, max_age_s: float = 0.0) -> None:
        if self.away:
            raise self.away

    def _judge(self, post: Post) -> Verdict:
        scores = dict.fromkeys(LABELS, 0.01)
        scores |= {label: 0.9 for word, label in WORDS.items() if word in (post.text or "")}
        if any(image.uri == BAD_IMAGE for image in post.images):
            scores["sexual"] = 0.9
        found = [label for label, score in scores.items() if score >= THRESHOLD]
        parts = (["text"] if post.text else []) + [f"image:{n}" for n in range(len(post.images))]
        return Verdict(
            post_id=post.id,
            decision="review" if found else "allow",
            scores=scores,
            severity=dict.fromkeys(LABELS, 0.6),
            reasons=tuple(Reason(label, scores[label], THRESHOLD, {}) for label in found),
            modalities={part: self._status(post) for part in parts},
            policy=PolicyRef("test", 1),
            models={},
            latency_ms={},
            scored_at="2026-01-01T00:00:00.000Z",
            language=DetectedLanguage("th" if "thai" in (post.text or "") else "en", 0.9) if post.text else None,
        )

    def _status(self, post: Post) -> str:
        if self.late or post.text in self.late_texts:
            return "failed: late: the post's deadline came first"
        return "partial: Thai is not read" if "thai" in (post.text or "") else "ok"


@contextmanager
def serving(
    scorer: FakeScorer,
    config: ApiConfig | None = None,
    keys: dict[str, KeyEntry] | None = None,
    feedback: Path | None = None,
    desk: PolicyDesk | None = None,
    tracer: Tracer = UNTRACED,
    decisions: Feedback | None = None,
    lists_desk: ListDesk | None = None,
    reports: ReportPublisher | None = None,
    authors: RememberedAuthors | None = None,
    banks_desk: BankDesk | None = None,
    explainer: Explainer | None = None,
    job_desk: JobDesk | None = None,
) -> Iterator[str]:
    """The address of a server that answers until the block ends."""
    config = config or ApiConfig()
    service = ScoringService(scorer, config.max_in_flight)
    ring = KeyRing(keys) if keys is not None else None
    kept = Feedback([FeedbackFile(feedback)] if feedback else [])
    app = make_app(
        config,
        service,
        CollectorRegistry(),
        ring,
        kept,
        desk,
        tracer,
        decisions,
        lists_desk,
        reports,
        authors,
        banks_desk,
        explainer,
        job_desk,
    )
    with listen("127.0.0.1", 0) as listening:
        server = make_server(app, config)
        started = threading.Event()
        thread = threading.Thread(target=_run, args=(server, listening, started))
        thread.start()
        started.wait()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _run(server: uvicorn.Server, listening: socket.socket, started: threading.Event) -> None:
    async def serve() -> None:
        asyncio.get_running_loop().call_soon(started.set)  # connections wait in the socket's queue until it accepts
        await server.serve(sockets=[listening])

    asyncio.run(serve())


@pytest.fixture
def scorer() -> FakeScorer:
    """A scorer that finds the words of `WORDS`."""
    return FakeScorer()


@pytest.fixture
def address(scorer: FakeScorer) -> Iterator[str]:
    """A server that everybody may call."""
    with serving(scorer) as served:
        yield served


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    """Calls it."""
    with httpx.Client(base_url=address, timeout=60) as opened:
        yield opened


Entry = Callable[..., dict[str, KeyEntry]]


def key_entry(**fields: object) -> dict[str, KeyEntry]:
    """A ring with one key, `KEY`."""
    return {"test": msgspec.structs.replace(KeyEntry(hash_key(KEY)), **fields)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for a module's tests, which run in one event loop."""
    async with open_browser() as opened:
        yield opened


@pytest.fixture
def seeing() -> SeeingScorer:
    """A scorer that shows where it saw what it scores."""
    from tests.engine.api.seeing import SeeingScorer  # which is made of the scorer here

    return SeeingScorer()


@pytest.fixture
def served(seeing: SeeingScorer) -> Iterator[str]:
    """The address of a server over `seeing`."""
    with serving(seeing) as address:
        yield address


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, served: str) -> AsyncIterator[Page]:
    """The server's page."""
    async with open_page(browser, served) as opened:
        yield opened
