"""What was decided about a post, asked over HTTP, on an embedded broker."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from sluice.api.explanations import Explainer
from sluice.api.problems import RequestProblem
from sluice.config import KafkaConfig
from tests.engine.api.conftest import KEY, FakeScorer, key_entry, serving
from tests.engine.audit.verdicts import make_verdict, publish

BEARER = {"Authorization": f"Bearer {KEY}"}
PATH = "/v1/explanation?post=p/1"


def test_a_post_is_explained(kafka: KafkaConfig) -> None:
    publish(kafka, make_verdict("p/1"), make_verdict("p-2"))
    with (
        serving(FakeScorer(), keys=key_entry(scopes=("explain",)), explainer=Explainer(kafka, 15.0)) as address,
        httpx.Client(base_url=address, headers=BEARER, timeout=30) as client,
    ):
        told = client.get(PATH).json()
        assert [each["says"]["post_id"] for each in told["told"]] == ["p/1"]
        assert told["told"][0]["says"]["rules"][0]["inputs"] == {"author_id": "u-secret", "scores.hate": 0.7}
        assert client.get("/v1/explanation?post=..").status_code == 404


@pytest.mark.parametrize(("keys", "headers", "status"), [(None, {}, 403), (key_entry(), BEARER, 403)])
def test_nobody_asks_without_a_key_for_it(kafka: KafkaConfig, keys: str | None, headers: dict, status: int) -> None:
    with serving(FakeScorer(), keys=keys, explainer=Explainer(kafka, 15.0)) as address:
        assert httpx.get(address + PATH, headers=headers).status_code == status


async def test_one_at_a_time(kafka: KafkaConfig) -> None:
    explainer = Explainer(kafka, 15.0)
    first = asyncio.create_task(explainer.explain("p"))
    await asyncio.sleep(0)
    with pytest.raises(RequestProblem, match="another post"):
        await explainer.explain("q")
    assert await first == []
