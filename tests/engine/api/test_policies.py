"""Policies over HTTP, on an embedded broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from sluice.api.config import ApiConfig
from sluice.api.server import _sharing
from sluice.config import KafkaConfig
from sluice.metrics import Metrics
from sluice.policies.desk import PolicyDesk
from sluice.resources import default_policy
from sluice.settings import load_settings
from sluice.verdict.documents import read_document
from sluice.verdict.policy_file import PolicyFile
from sluice.verdict.policy_set import PolicySet
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving

POLICY = "tenant: forum\nversion: {}\nextends: default\nlabels: {{threat: {{review: 0.2}}}}\n"


@pytest.fixture
def desk(kafka: KafkaConfig) -> PolicyDesk:
    return PolicyDesk(kafka, default_policy(), 15.0)


@pytest.fixture
def client(desk: PolicyDesk) -> Iterator[httpx.Client]:
    with (
        serving(FakeScorer(), keys=key_entry(scopes=("policies",)), desk=desk) as address,
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"}, timeout=60) as opened,
    ):
        yield opened


def test_a_policy_is_put_in_force_shown_and_taken_back(client: httpx.Client) -> None:
    first = client.put("/v1/policies/forum", content=POLICY.format(1), params={"note": "why"})
    assert (first.status_code, first.json()["version"]) == (200, 1)
    assert client.put("/v1/policies/forum", content=POLICY.format(2)).json()["version"] == 2
    listed = {row["name"]: row["version"] for row in client.get("/v1/policies").json()["policies"]}
    assert (listed["forum"], "default" in listed) == (2, True)
    back = client.post("/v1/policies/forum/rollback")
    assert (back.status_code, back.json()) == (200, {"name": "forum", "version": 1})
    shown = client.get("/v1/policies/forum").json()
    assert (shown["version"], shown["document"]) == (1, POLICY.format(1))
    assert [(change["action"], change["by"], change["note"]) for change in shown["changes"]] == [
        ("rollback", "test", ""), ("push", "test", ""), ("push", "test", "why"),
    ]  # fmt: skip


def test_two_versions_are_held_against_each_other(client: httpx.Client) -> None:
    for version, limit in ((1, "0.2"), (2, "0.3")):
        client.put("/v1/policies/forum", content=POLICY.format(version).replace("0.2", limit)).raise_for_status()
    found = client.get("/v1/policies/forum/diff", params={"before": 1}).json()["differences"]
    assert {"field": "labels.threat.review", "before": 0.2, "after": 0.3} in found
    assert client.get("/v1/policies/forum/diff", params={"before": 2, "after": 2}).json()["differences"] == []
    assert client.get("/v1/policies/forum/diff", params={"before": 7}).status_code == 404


def test_what_is_wrong_is_said_with_its_line(client: httpx.Client) -> None:
    for body, detail in (
        (POLICY.format("two"), "forum:2: Expected `int`"),
        (POLICY.format(1).replace("threat", "thread"), "forum:4: unknown label 'thread'"),
        (POLICY.format(1).replace("tenant: forum", "tenant: other"), "the address says 'forum'"),
        (b"\xff", "not UTF-8"),
    ):
        answer = client.put("/v1/policies/forum", content=body)
        assert answer.status_code == 400
        assert detail in answer.json()["detail"]
    assert client.get("/v1/policies/forum").status_code == 404
    assert client.post("/v1/policies/forum/rollback").json()["code"] == "invalid_policy"


def test_nobody_changes_policies_without_a_key_for_it(desk: PolicyDesk, tmp_path: Path) -> None:
    for keys, headers, status in (
        (None, {}, 403),
        (key_entry(scopes=("policies",)), {}, 401),
        (key_entry(scopes=("score",)), {"Authorization": f"Bearer {KEY}"}, 403),
    ):
        with serving(FakeScorer(), keys=keys, desk=desk) as address, httpx.Client(base_url=address) as client:
            assert client.put("/v1/policies/forum", content=POLICY.format(1), headers=headers).status_code == status
            assert client.get("/v1/policies", headers=headers).status_code == status
    assert not desk.read().in_force


def test_kafka_that_is_away_is_said(tmp_path: Path) -> None:
    away = PolicyDesk(KafkaConfig("127.0.0.1:1"), default_policy(), 0.5)
    headers = {"Authorization": f"Bearer {KEY}"}
    with (
        serving(FakeScorer(), keys=key_entry(scopes=("policies",)), desk=away) as address,
        httpx.Client(base_url=address, headers=headers, timeout=60) as client,
    ):
        assert client.get("/v1/policies").status_code == 503


def test_a_server_without_kafka_has_no_such_endpoints() -> None:
    with serving(FakeScorer()) as address, httpx.Client(base_url=address) as client:
        assert client.get("/v1/policies").status_code == 404


async def test_a_server_on_kafka_decides_by_what_is_pushed(kafka: KafkaConfig) -> None:
    policies, sets = PolicyFile(default_policy(), Metrics(CollectorRegistry())), asyncio.Queue[PolicySet]()
    policies.used_by(sets.put_nowait)
    settings, metrics = load_settings({}), Metrics(CollectorRegistry())
    async with _sharing(settings, ApiConfig(kafka=kafka), policies, metrics) as shared:
        assert shared.desk is not None
        await asyncio.to_thread(shared.desk.push, [read_document(POLICY.format(1))], "ann")
        pushed = await asyncio.wait_for(sets.get(), 30)
    assert {ref.name: ref.version for ref in pushed.refs}["forum"] == 1
    async with _sharing(settings, ApiConfig(), policies, metrics) as shared:
        assert shared.desk is None
