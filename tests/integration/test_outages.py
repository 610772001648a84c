"""Every kind of outage of Triton is waited out: no dead letter, nothing late, every part scored."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from sluice.contract import IMAGE_ENCODER, TEXT_ENCODER, TensorSpec
from sluice.errors import InferenceUnavailable, ModelMismatch
from sluice.pipeline import Pipeline
from tests.kserve import Fault, KServe, serving
from tests.load import Load, pipeline_on, until_away
from tests.network import NameServer, Way

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("models", [(), ("fusion",), ("text_encoder",)], ids=["all", "fusion", "text_encoder"])
@pytest.mark.parametrize("fault", ["internal", "hang", "full", "unloaded"])
async def test_a_fault_under_load_is_waited_out(fault: Fault, models: tuple[str, ...]) -> None:
    server = KServe()
    async with serving(server) as port, pipeline_on(f"127.0.0.1:{port}") as pipeline:
        load = Load(pipeline)
        async with load.running():
            await load.until()
            server.fail(fault, *models)
            await until_away(pipeline)
            server.n_probes.clear()
            server.n_requests.clear()
            while not server.n_probes.total():
                await asyncio.sleep(0.01)
            assert not server.n_requests.keys() & {*models}, "posts went to a model that is known to be away"
            server.work()
            await load.until()
    load.check()


async def test_a_model_that_is_away_holds_up_only_the_posts_that_need_it() -> None:
    server = KServe()
    async with serving(server) as port, pipeline_on(f"127.0.0.1:{port}") as pipeline:
        load = Load(pipeline)
        server.fail("internal", "image_encoder")
        await until_away_soon(pipeline)
        await load.post()
        server.work()
    load.check()


async def until_away_soon(pipeline: Pipeline) -> None:
    """Ask all models now."""
    with pytest.raises(InferenceUnavailable):
        await pipeline.confirm()


async def test_a_server_that_moved_to_another_address_is_found_again() -> None:
    async with NameServer("127.0.0.1") as names, AsyncExitStack() as old:
        port = await old.enter_async_context(serving(KServe()))
        async with (
            pipeline_on(f"dns://127.0.0.1:{names.port}/triton.example:{port}") as pipeline,
            serving(KServe(), f"127.0.0.2:{port}"),
        ):
            load = Load(pipeline)
            async with load.running():
                await load.until()
                names.address = "127.0.0.2"
                await old.aclose()
                await load.until()
    load.check()


async def test_a_black_hole_is_noticed_and_left() -> None:
    async with serving(KServe()) as port, Way(port) as way, pipeline_on(f"127.0.0.1:{way.port}") as pipeline:
        load = Load(pipeline)
        async with load.running():
            await load.until()
            way.swallow()
            await until_away(pipeline)
            way.heal()
            await load.until()
    load.check()


async def test_a_model_that_does_not_fit_is_not_ready_and_no_posts_fault() -> None:
    server = KServe()
    sixteen = replace(TEXT_ENCODER.outputs[1], shape=(16,))
    async with serving(server) as port, pipeline_on(f"127.0.0.1:{port}") as pipeline:
        load = Load(pipeline)
        async with load.running():
            await load.until()
            server.specs["text_encoder"] = replace(
                TEXT_ENCODER, outputs=(TEXT_ENCODER.outputs[0], sixteen, TEXT_ENCODER.outputs[2])
            )
            assert "text_encoder does not fit this worker: output logits is" in await until_away(pipeline)
            server.specs["text_encoder"] = TEXT_ENCODER
            await load.until()
    load.check()


async def test_a_repository_that_does_not_fit_is_told_at_the_start() -> None:
    server = KServe()
    server.specs["image_encoder"] = replace(IMAGE_ENCODER, inputs=(TensorSpec("pixels", "FP32", (3, 224, 224)),))
    async with serving(server) as port:
        with pytest.raises(ModelMismatch, match=r"image_encoder does not fit this worker: input pixels is FP32"):
            async with pipeline_on(f"127.0.0.1:{port}", SLUICE_START_TIMEOUT_S="0.1"):
                pass


async def test_a_reload_under_load_shows_in_the_next_verdict() -> None:
    server = KServe()
    async with serving(server) as port, pipeline_on(f"127.0.0.1:{port}") as pipeline:
        load = Load(pipeline)
        await load.post()
        server.version = "2"
        await load.post()
    load.check()
    assert [dict(verdict.models) for verdict in load.verdicts] == [
        {"fusion": version, "text_encoder": version} for version in "12"
    ]


async def test_no_proxy_sees_what_people_posted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with serving(KServe()) as port, pipeline_on(f"127.0.0.1:{port}") as pipeline:
        load = Load(pipeline)
        await load.post()
    load.check()
