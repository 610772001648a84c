"""Outages of a real Triton under load: one that stands still, and a model that is unloaded and loaded."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from tritonclient.grpc.aio import InferenceServerClient

from sluice.contract import MODELS
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from tests.load import Load, pipeline_on, until_away

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("triton_files")]


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A server of these tests' own, whose models are loaded on demand."""
    options = ["--model-control-mode=explicit", *(f"--load-model={spec.name}" for spec in MODELS)]
    with TritonServer(triton_repository(), tmp_path_factory.mktemp("triton"), options=options) as server:
        server.wait_until_ready(120)
        yield server


async def test_one_that_stands_still_is_waited_for(triton: TritonServer) -> None:
    assert triton.pid is not None
    async with pipeline_on(triton.address) as pipeline:
        load = Load(pipeline)
        async with load.running():
            await load.until()
            os.kill(triton.pid, signal.SIGSTOP)
            await until_away(pipeline)
            os.kill(triton.pid, signal.SIGCONT)
            await load.until()
    load.check()


async def test_a_model_that_is_unloaded_and_loaded_is_waited_for(triton: TritonServer) -> None:
    client = InferenceServerClient(triton.address)
    async with pipeline_on(triton.address) as pipeline:
        load = Load(pipeline)
        async with load.running():
            await load.until()
            for model in ("text_encoder", "fusion"):
                await client.unload_model(model)
                await until_away(pipeline)
                await client.load_model(model)
                await load.until()
    await client.close()
    load.check()


async def test_a_model_that_is_replaced_while_it_answers_is_not_missed(triton: TritonServer) -> None:
    client = InferenceServerClient(triton.address)
    async with pipeline_on(triton.address) as pipeline:
        load = Load(pipeline)
        async with load.running():
            await load.until()
            await client.load_model("text_encoder")
            await load.until()
    await client.close()
    load.check()
