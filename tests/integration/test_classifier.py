"""The classifier on a real Triton: the shipped models, outages, and scores that do not depend on neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import tenacity
from prometheus_client import CollectorRegistry

from sluice.config import InferenceConfig
from sluice.contract import AUDIO_ENCODER, FIRST_STAGE, FUSION, IMAGE_ENCODER, MODELS, TEXT_ENCODER, ModelSpec
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable
from sluice.features import N_FRAMES, N_MELS
from sluice.features.text import TextExtractor
from sluice.inference import Arrays
from sluice.inference.triton import TritonClassifier
from sluice.local.processes import find_free_ports
from sluice.local.triton import TritonServer
from sluice.metrics import Metrics
from sluice.modalities.base import inputs_of
from sluice.resources import triton_repository
from sluice.schema import LABELS

pytestmark = pytest.mark.integration

N_LABELS = len(LABELS)
ALL = (*MODELS, FIRST_STAGE)
TEXTS = (
    "see you at lunch",
    "thanks, that helped a lot with the garden, I will try it again next week",
    "明天一起吃饭吧",
)


def text_rows(*texts: str) -> list[Arrays]:
    rows = [row for features in TextExtractor().extract_batch(list(texts)) for row in features.rows]
    return [inputs_of(TEXT_ENCODER, row) for row in rows]


def random_row(model: ModelSpec) -> Arrays:
    noise = np.random.default_rng(7)
    if model in (TEXT_ENCODER, FIRST_STAGE):
        return text_rows(TEXTS[0])[0]
    if model is IMAGE_ENCODER:
        return {"pixels": noise.integers(0, 256, (3, 160, 160), np.uint8)}
    if model is AUDIO_ENCODER:
        return {"log_mel": noise.uniform(-1, 1, (N_MELS, N_FRAMES)).astype(np.float32)}
    tokens = noise.normal(size=(8, 256)).astype(np.float32)
    return {"tokens": tokens, "mask": np.arange(8) < 4, "kind": np.zeros(8, np.int64)}


@asynccontextmanager
async def connect(address: str) -> AsyncIterator[TritonClassifier]:
    classifier = TritonClassifier(InferenceConfig(address), Metrics(CollectorRegistry()), ALL)
    try:
        yield classifier
    finally:
        await classifier.close()


@tenacity.retry(retry=tenacity.retry_if_exception_type(InferenceUnavailable), stop=tenacity.stop_after_delay(30))
async def until_ready(classifier: TritonClassifier) -> None:
    await classifier.confirm()


def soon(seconds: float = 60.0) -> float:
    return asyncio.get_running_loop().time() + seconds


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.name)
async def test_every_model_gives_what_the_contract_says(triton_server: TritonServer, model: ModelSpec) -> None:
    row = random_row(model)
    async with connect(triton_server.address) as classifier:
        (outputs,) = await classifier.infer(model, [row], soon())
    assert set(outputs) == set(model.output_names)
    assert outputs["logits"].shape == (N_LABELS,)
    assert all(np.isfinite(array).all() for array in outputs.values())
    for name in {"token_scores", "heatmap", "frame_scores", "severity"} & set(outputs):
        assert (outputs[name] >= 0).all()
        assert (outputs[name] <= 1).all()
    if model is TEXT_ENCODER:
        assert outputs["token_scores"].shape == (N_LABELS, *row["input_ids"].shape)
    if model not in (FUSION, FIRST_STAGE):
        assert outputs["tokens"].shape[1] == 256


async def test_all_models_are_there_with_their_versions(triton_server: TritonServer) -> None:
    async with connect(triton_server.address) as classifier:
        await classifier.confirm()
        assert classifier.versions == {model.name: "1" for model in ALL}


@pytest.mark.parametrize("model", [TEXT_ENCODER, FIRST_STAGE], ids=lambda model: model.name)
async def test_a_score_does_not_depend_on_its_neighbours(triton_server: TritonServer, model: ModelSpec) -> None:
    rows = text_rows(*TEXTS, "a" + " very" * 90 + " long one")
    async with connect(triton_server.address) as classifier:
        alone = [(await classifier.infer(model, [row], soon()))[0]["logits"] for row in rows]
        together = [row["logits"] for row in await classifier.infer(model, rows, soon())]
    np.testing.assert_allclose(alone, together, atol=1e-3)


async def test_masked_tokens_do_not_count(triton_server: TritonServer) -> None:
    row = random_row(FUSION)
    other = {**row, "tokens": np.where(row["mask"][:, None], row["tokens"], 99.0).astype(np.float32)}
    short = {name: array[:4] for name, array in row.items()}
    async with connect(triton_server.address) as classifier:
        first, second, third = await classifier.infer(FUSION, [row, other, short], soon())
    np.testing.assert_allclose(first["logits"], second["logits"], atol=1e-5)
    np.testing.assert_allclose(first["logits"], third["logits"], atol=1e-5)


async def test_a_wrong_shape_is_refused_and_its_neighbours_are_scored(triton_server: TritonServer) -> None:
    async with connect(triton_server.address) as classifier:
        good, bad = random_row(IMAGE_ENCODER), {"pixels": np.zeros((3, 8, 8), np.uint8)}
        blocked = [classifier.infer(IMAGE_ENCODER, [good], soon()) for _ in range(6)]
        *scored, refused = await asyncio.gather(
            *blocked, classifier.infer(IMAGE_ENCODER, [bad], soon()), return_exceptions=True
        )
    assert isinstance(refused, InferenceError)
    assert all(isinstance(outputs, list) for outputs in scored)


async def test_a_deadline_that_has_passed_is_late(triton_server: TritonServer) -> None:
    async with connect(triton_server.address) as classifier:
        with pytest.raises(InferenceLate):
            await classifier.infer(TEXT_ENCODER, text_rows(TEXTS[0]), soon(-1))


async def test_no_server_is_unavailable_and_named() -> None:
    address = f"127.0.0.1:{find_free_ports(1)[0]}"
    async with connect(address) as classifier:
        with pytest.raises(InferenceUnavailable, match=address):
            await classifier.confirm()
        with pytest.raises(InferenceUnavailable, match=address):
            await classifier.infer(TEXT_ENCODER, text_rows(TEXTS[0]), soon())


async def test_a_model_whose_process_died_is_unavailable(tmp_path: Path, triton_files: None) -> None:
    with TritonServer(triton_repository(), tmp_path) as server:
        server.wait_until_ready(60)
        async with connect(server.address) as classifier:
            await classifier.infer(FUSION, [random_row(FUSION)], soon())
            processes = psutil.Process(server.pid).children(recursive=True)
            (model,) = (process for process in processes if any("fusion" in word for word in process.cmdline()))
            model.kill()
            with pytest.raises(InferenceUnavailable):
                await classifier.infer(FUSION, [random_row(FUSION)], soon())
            await classifier.infer(TEXT_ENCODER, text_rows(TEXTS[0]), soon())


async def test_a_server_that_comes_back_is_used_again(tmp_path: Path, triton_files: None) -> None:
    with TritonServer(triton_repository(), tmp_path) as server:
        server.wait_until_ready(60)
        async with connect(server.address) as classifier:
            before = await classifier.infer(TEXT_ENCODER, text_rows(*TEXTS), soon())
            server.kill()
            with pytest.raises(InferenceUnavailable):
                await classifier.infer(TEXT_ENCODER, text_rows(*TEXTS), soon())
            server.start()
            await asyncio.to_thread(server.wait_until_ready, 60)
            await until_ready(classifier)
            after = await classifier.infer(TEXT_ENCODER, text_rows(*TEXTS), soon())
    np.testing.assert_array_equal(before[0]["logits"], after[0]["logits"])
