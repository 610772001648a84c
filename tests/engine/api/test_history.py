"""Reports and histories over HTTP, on an embedded broker."""

from __future__ import annotations

import asyncio

import httpx
from prometheus_client import CollectorRegistry

from sluice.api.config import ApiConfig
from sluice.api.server import _sharing
from sluice.client import ReportPublisher
from sluice.config import KafkaConfig
from sluice.history.remembered import RememberedAuthors
from sluice.metrics import Metrics
from sluice.resources import default_policy
from sluice.settings import load_settings
from sluice.verdict.policy_file import PolicyFile
from tests.components import wait_for
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving

JSON = {"Content-Type": "application/json"}
BEARER = {"Authorization": f"Bearer {KEY}"}


async def test_what_is_reported_is_known_of_the_author(kafka: KafkaConfig) -> None:
    metrics = Metrics(CollectorRegistry())
    settings, policies = load_settings({"SLUICE_HISTORY_KEY": "secret"}), PolicyFile(default_policy(), metrics)
    async with _sharing(settings, ApiConfig(kafka=kafka), policies, metrics) as shared:
        assert shared.reports is not None
        assert shared.authors is not None
        await asyncio.to_thread(report_and_ask, shared.reports, shared.authors)


def report_and_ask(reports: ReportPublisher, authors: RememberedAuthors) -> None:
    keys = key_entry(scopes=("reports", "history"))
    with (
        serving(FakeScorer(), keys=keys, reports=reports, authors=authors) as address,
        httpx.Client(base_url=address, headers=BEARER) as client,
    ):
        for reporter in ("a", "b", "b"):
            answer = client.post("/v1/reports", json={"author_id": "u-http", "reporter_id": reporter, "id": "r"})
            assert (answer.status_code, answer.json()) == (202, {"id": "r"})
        asked = {"author": "u-http"}
        wait_for(lambda: client.get("/v1/history", params=asked).json().get("reports_24h") == 2, "two reporters")
        assert client.get("/v1/history", params={**asked, "tenant": "t"}).json().get("reports_24h", 0) == 0
        for body in (b'{"reporter_id": "a"}', b'{"author_id": "\xff"}', b"[" * 100_000, b"\xff"):
            assert client.post("/v1/reports", content=body, headers=JSON).status_code == 400, body[:20]
        assert client.get("/v1/history").status_code == 400


def test_nobody_asks_about_authors_without_a_key_for_it(kafka: KafkaConfig) -> None:
    for keys, headers, status in (
        (None, {}, 403),
        (key_entry(scopes=("reports",)), BEARER, 403),
        (key_entry(scopes=("history",)), {}, 401),
        (key_entry(scopes=("history",)), BEARER, 501),
    ):
        with (
            serving(FakeScorer(), keys=keys, reports=ReportPublisher(kafka)) as address,
            httpx.Client(base_url=address) as client,
        ):
            assert client.get("/v1/history", params={"author": "u"}, headers=headers).status_code == status
