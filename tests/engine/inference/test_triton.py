"""The classifier against a server that speaks Triton's protocol and fails as told. Triton itself: tests/integration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import grpc
import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from tritonclient.utils import triton_to_np_dtype

from sluice.config import InferenceConfig
from sluice.contract import FIRST_STAGE, FUSION, IMAGE_ENCODER, MODELS, TEXT_ENCODER, ModelSpec
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable, ModelMismatch
from sluice.inference import Array, Clearance
from sluice.inference.triton import TritonClassifier
from sluice.metrics import Metrics
from tests.kserve import KNOWN, KServe, serving


class Scene:
    """A server, a classifier in front of it, and its series."""

    def __init__(self, server: KServe, port: int, max_request_s: float) -> None:
        self.server = server
        self.metrics = Metrics(CollectorRegistry())
        config = InferenceConfig(f"127.0.0.1:{port}", max_request_s)
        models = tuple(KNOWN[name] for name in server.specs)
        self.classifier = TritonClassifier(config, self.metrics, models)

    async def infer(self, model: ModelSpec, n_rows: int = 1, patience_s: float = 30.0) -> list:
        deadline = asyncio.get_running_loop().time() + patience_s
        return await self.classifier.infer(model, [row_of(model)] * n_rows, deadline)

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def opened(server: KServe | None = None, max_request_s: float = 30.0) -> AsyncIterator[Scene]:
    server = server or KServe()
    async with serving(server) as port:
        scene = Scene(server, port, max_request_s)
        try:
            yield scene
        finally:
            await scene.classifier.close()


def row_of(model: ModelSpec) -> dict[str, Array]:
    """A row that is longer than the smallest, where rows differ in length."""
    return {
        tensor.name: np.ones(
            [size if isinstance(size, int) else size.sizes[0] + 1 for size in tensor.shape],
            triton_to_np_dtype(tensor.type),
        )
        for tensor in model.inputs
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_each_row_gets_its_outputs(model: ModelSpec) -> None:
    async with opened() as scene:
        answers = await scene.infer(model, n_rows=3)
    assert [set(outputs) for outputs in answers] == [{tensor.name for tensor in model.outputs}] * 3
    assert all(np.all(outputs["logits"] == -4) for outputs in answers)


async def test_what_was_asked_is_counted_by_model() -> None:
    async with opened() as scene:
        await scene.infer(TEXT_ENCODER, n_rows=3)
        await scene.infer(FUSION)
        model = {"model": TEXT_ENCODER.name}
        assert scene.value("sluice_batch_rows_sum", **model) == 3
        assert scene.value("sluice_inference_seconds_count", **model) == 1
        assert scene.value("sluice_inference_seconds_count", model=IMAGE_ENCODER.name) == 0
        assert scene.value("sluice_triton_up") == 1


async def test_the_version_is_that_of_the_last_answer() -> None:
    async with opened() as scene:
        assert scene.classifier.versions == {}
        await scene.infer(FUSION)
        assert scene.classifier.versions == {FUSION.name: "1"}
        scene.server.version = "2"
        await scene.infer(FUSION)
        assert scene.classifier.versions == {FUSION.name: "2"}
        assert scene.value("sluice_model_info", model=FUSION.name, version="2") == 1
        assert (
            scene.metrics.registry.get_sample_value("sluice_model_info", {"model": FUSION.name, "version": "1"}) is None
        )


async def test_confirming_asks_every_model_what_it_is_and_for_one_answer() -> None:
    async with opened() as scene:
        await scene.classifier.confirm()
        assert dict(scene.server.n_probes) == {spec.name: 2 for spec in MODELS}
        await scene.classifier.confirm(max_age_s=3600.0)
        assert dict(scene.server.n_probes) == {spec.name: 2 for spec in MODELS}
        assert set(scene.classifier.versions) == {spec.name for spec in MODELS}


async def test_one_model_that_is_away_is_the_one_that_is_named() -> None:
    async with opened() as scene:
        scene.server.fail("unloaded", IMAGE_ENCODER.name)
        with pytest.raises(InferenceUnavailable) as caught:
            await scene.classifier.confirm()
        assert caught.value.model == IMAGE_ENCODER.name
        await scene.infer(FUSION)  # the others go on


async def test_an_outage_fails_at_once_and_ends_with_the_first_answer() -> None:
    async with opened() as scene:
        scene.server.fail("full")
        with pytest.raises(InferenceUnavailable):
            await scene.infer(FUSION)
        assert scene.value("sluice_triton_up") == 0
        assert scene.value("sluice_triton_errors_total", model=FUSION.name, kind="ModelBusy") >= 1
        scene.server.work()
        await asyncio.wait_for(scene.classifier.recovered(FUSION.name), 30)
        assert await scene.infer(FUSION)
        assert scene.value("sluice_triton_up") == 1


class PickyServer(KServe):
    """Refuses requests of two rows."""

    async def ModelInfer(self, request, context):
        if request.inputs[0].shape[0] == 2:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "unexpected shape for input 'tokens'")
        return await super().ModelInfer(request, context)


async def test_rows_that_are_refused_are_no_outage() -> None:
    async with opened(PickyServer()) as scene:
        with pytest.raises(InferenceError, match="unexpected shape") as caught:
            await scene.infer(FUSION, n_rows=2)
        assert not isinstance(caught.value, InferenceUnavailable)
        assert await scene.infer(FUSION)


async def test_a_request_without_an_answer_is_given_up_at_its_deadline() -> None:
    async with opened() as scene:
        await scene.infer(FUSION)
        scene.server.fail("hang", FUSION.name)
        with pytest.raises(InferenceLate):
            await scene.infer(FUSION, patience_s=0.05)


async def test_a_deadline_that_has_passed_sends_nothing() -> None:
    async with opened() as scene:
        with pytest.raises(InferenceLate):
            await scene.infer(FUSION, patience_s=-1.0)
        assert scene.server.n_requests[FUSION.name] == 0


@pytest.mark.parametrize("place", ["inputs", "outputs"])
async def test_a_model_with_a_tensor_less_does_not_fit(place: str) -> None:
    server = KServe()
    spec = server.specs[FUSION.name]
    server.specs[FUSION.name] = replace(spec, **{place: getattr(spec, place)[1:]})
    missing = getattr(spec, place)[0].name
    async with opened(server) as scene:
        with pytest.raises(ModelMismatch, match=rf"fusion.*: {place[:-1]} {missing} is missing"):
            await scene.classifier.confirm()
        assert scene.classifier.versions.get(FUSION.name) is None


async def test_languages_are_unknown_until_the_text_encoder_says_them() -> None:
    async with opened() as scene:
        assert scene.classifier.languages is None
        await scene.classifier.confirm()
        assert scene.classifier.languages is None  # this server names none


async def test_what_the_first_stage_may_clear_is_known_once_it_has_said_so() -> None:
    server = KServe()
    server.specs[FIRST_STAGE.name] = FIRST_STAGE
    server.parameters[FIRST_STAGE.name] = {"thresholds": "threat:0.3", "languages": "en:-0.5"}
    async with opened(server) as scene:
        assert scene.classifier.clearance is None
        await scene.classifier.confirm()
        assert scene.classifier.clearance == Clearance({"en": -0.5}, {"threat": 0.3})
        (outputs,) = await scene.infer(FIRST_STAGE)
        assert outputs["suspicion"].tolist() == [-4.0]


async def test_without_a_first_stage_nothing_may_be_cleared() -> None:
    async with opened() as scene:
        await scene.classifier.confirm()
        assert scene.classifier.clearance is None
