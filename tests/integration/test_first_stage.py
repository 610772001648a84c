"""The shipped first stage on a real Triton: it clears some everyday texts, and changes no decision."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from prometheus_client import CollectorRegistry

from sluice.local.triton import TritonServer
from sluice.metrics import Metrics
from sluice.opening import open_pipeline
from sluice.pipeline import Pipeline
from sluice.schema import Post, Verdict
from sluice.settings import load_settings

pytestmark = pytest.mark.integration

EVERYDAY = (
    "The train was late again this morning, so I walked to the library instead.",
    "Does anybody know when the library opens on Sunday?",
    "Recipe for tonight: two eggs, some flour, and a little patience.",
    "Just finished the last chapter, what an ending!",
    "The meeting has been moved to room twelve, same time as last week.",
    "Weather for tomorrow: nineteen degrees and a light wind from the west.",
    "今天的菜是番茄炒蛋，味道不错。",
    "下午三点在图书馆门口见，别忘了带雨伞。",
)
HARMFUL = (
    "I will find you and I will hurt you",
    "You are an idiot and everybody knows it.",
    "WIN a FREE phone!!! Click the link NOW, only 3 left",
    "I do not want to live any more, tonight I will end it",
)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


@pytest.fixture
async def pipeline(triton_server: TritonServer, metrics: Metrics) -> AsyncIterator[Pipeline]:
    settings = {
        "SLUICE_TRITON": triton_server.address,
        "SLUICE_DECODERS": "1",
        "SLUICE_CACHE_MB": "0",
        "SLUICE_FIRST_STAGE": "1",
    }
    async with open_pipeline(load_settings(settings), metrics) as pipeline:
        yield pipeline


@pytest.fixture
async def in_full(triton_server: TritonServer) -> AsyncIterator[Pipeline]:
    settings = {"SLUICE_TRITON": triton_server.address, "SLUICE_DECODERS": "1"}
    async with open_pipeline(load_settings(settings), Metrics(CollectorRegistry())) as pipeline:
        yield pipeline


async def score(pipeline: Pipeline, texts: Sequence[str]) -> list[Verdict]:
    return [await pipeline.score(Post(id=str(n), text=text)) for n, text in enumerate(texts)]


async def test_some_everyday_texts_are_cleared_and_no_harmful_one(pipeline: Pipeline, metrics: Metrics) -> None:
    everyday, harmful = await score(pipeline, EVERYDAY), await score(pipeline, HARMFUL)
    cleared = [verdict for verdict in everyday if verdict.models["stage"] == "first"]
    assert cleared
    assert {verdict.models["stage"] for verdict in harmful} == {"full"}
    series = "sluice_first_stage_texts_total"
    assert metrics.registry.get_sample_value(series, {"outcome": "cleared"}) == len(cleared)


async def test_it_changes_no_decision(pipeline: Pipeline, in_full: Pipeline) -> None:
    texts = EVERYDAY + HARMFUL
    with_it, without = await score(pipeline, texts), await score(in_full, texts)
    assert [verdict.decision for verdict in with_it] == [verdict.decision for verdict in without]
    read = [(one, two) for one, two in zip(with_it, without, strict=True) if one.models["stage"] == "full"]
    assert all(one.scores == pytest.approx(two.scores, abs=2e-3) for one, two in read)
    assert all("stage" not in verdict.models for verdict in without)
