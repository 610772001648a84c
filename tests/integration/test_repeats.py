"""Repeats through the real models: the same verdict, without asking them, also for pictures with text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from sluice.client.inline_media import encode_inline
from sluice.contract import FUSION
from sluice.local.triton import TritonServer
from sluice.metrics import Metrics
from sluice.opening import open_pipeline
from sluice.pipeline import Pipeline
from sluice.schema import Media, Post, Verdict
from sluice.settings import load_settings
from tests.integration.test_picture_text import THREATS, draw

pytestmark = pytest.mark.integration

OWN = {"post_id": "", "latency_ms": {}, "scored_at": "", "cached": ()}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
async def pipeline(triton_server: TritonServer, metrics: Metrics) -> AsyncIterator[Pipeline]:
    settings = load_settings({"SLUICE_TRITON": triton_server.address, "SLUICE_DECODERS": "1"})
    async with open_pipeline(settings, metrics) as pipeline:
        await pipeline.score(Post(id="first", text="hello", images=(Media(encode_inline(draw("hello"), "image/png")),)))
        async with asyncio.timeout(60.0):
            for modality in pipeline._modalities:
                while pipeline._identities.find((*modality.models, FUSION)) is None:
                    await asyncio.gather(*pipeline._identities._asking.values())
        yield pipeline


def misses(metrics: Metrics) -> float:
    """Posts and parts that had to be scored so far."""
    labels = ({"kind": kind, "outcome": "miss"} for kind in ("post", "part"))
    return sum(metrics.registry.get_sample_value("sluice_cache_lookups_total", each) or 0.0 for each in labels)


async def test_texts_and_pictures_that_come_again_are_not_scored_again(pipeline: Pipeline, metrics: Metrics) -> None:
    picture = Media(encode_inline(draw(THREATS[0]), "image/png"))
    posts = [
        Post(id="a", text="I will find you and I will hurt you"),
        Post(id="b", text="look at this", images=(picture,)),
        Post(id="c", images=(picture,)),
    ]
    first = [await pipeline.score(post) for post in posts]
    n_misses = misses(metrics)
    again = [await pipeline.score(post) for post in posts]
    assert misses(metrics) == n_misses
    assert [verdict.cached for verdict in first] == [(), (), ("image:0",)]
    assert [verdict.cached for verdict in again] == [("text",), ("text", "image:0"), ("image:0",)]
    assert [_without_own(verdict) for verdict in again] == [_without_own(verdict) for verdict in first]
    assert {verdict.decision for verdict in first} == {"block"}


def _without_own(verdict: Verdict) -> Verdict:
    return msgspec.structs.replace(verdict, **OWN)
