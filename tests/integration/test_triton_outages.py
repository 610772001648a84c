"""Outages of a real Triton under load: one that stands still, and a model that is unloaded and loaded."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tritonclient.grpc.aio import InferenceServerClient

from sluice.client import Outcomes, Publisher
from sluice.contract import MODELS, OCR_MODELS
from sluice.local.stack import Stack, StackConfig
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import Post
from tests.components import wait_for
from tests.load import Load, pipeline_on, until_away

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("triton_files")]


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A server of these tests' own, whose models are loaded on demand."""
    options = ["--model-control-mode=explicit", *(f"--load-model={spec.name}" for spec in MODELS + OCR_MODELS)]
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


def test_a_models_process_that_dies_is_started_again_with_its_server(tmp_path: Path, triton_files: None) -> None:
    """Triton lives on without it, and calls its model ready."""
    with Stack(StackConfig(tmp_path, triton_repository(), worker_environment={"SLUICE_DEADLINE_MS": "20000"})) as stack:
        assert stack._triton is not None
        assert stack._triton.pid is not None
        server = psutil.Process(stack._triton.pid)
        with Outcomes(stack.kafka, start="end") as outcomes, Publisher(stack.kafka, store=None) as publisher:
            readers = [child for child in server.children() if "text_encoder" in " ".join(child.cmdline())]
            readers[0].kill()
            for number in range(20):
                publisher.publish(Post(id=f"p-{number}", text=f"see you at lunch on day {number}"))
            publisher.flush()
            verdicts: dict[str, dict[str, str]] = {}

            def look() -> bool:
                stack.check()
                verdicts.update({one.verdict().post_id: one.verdict().modalities for one in outcomes.poll(0.5)})
                return len(verdicts) == 20

            wait_for(look, "every verdict", patience_s=120.0)
            wait_for(lambda: stack._triton.pid != server.pid, "another server", patience_s=120.0)
        assert set(map(str, verdicts.values())) == {"{'text': 'ok'}"}
