"""Our models in a real Triton on the CPU: shapes, batches, errors, and scores that no neighbour changes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.grpc.aio import InferenceServerClient as AsyncClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from sluice.contract import MODELS
from sluice.local import guard
from sluice.local.triton import TritonServer
from sluice.resources import triton_repository
from sluice.schema import LABELS

pytestmark = pytest.mark.integration

Arrays = dict[str, npt.NDArray[Any]]
N_LABELS = len(LABELS)


def as_inputs(arrays: Arrays) -> list[InferInput]:
    tensors = [InferInput(name, array.shape, np_to_triton_dtype(array.dtype)) for name, array in arrays.items()]
    for tensor, array in zip(tensors, arrays.values(), strict=True):
        tensor.set_data_from_numpy(array)
    return tensors


def infer(server: TritonServer, model: str, arrays: Arrays) -> Arrays:
    client = InferenceServerClient(server.address)
    result = client.infer(model, as_inputs(arrays))
    outputs = {output.name: result.as_numpy(output.name) for output in result.get_response().outputs}
    client.close()
    return outputs


def make_texts(lengths: list[int], padded_to: int, seed: int = 0) -> Arrays:
    """Row i holds the first `lengths[i]` ids of a sequence that depends on i and `seed` alone."""
    mask = (np.arange(padded_to) < np.array(lengths)[:, None]).astype(np.int64)
    ids = np.stack([np.random.default_rng(seed + row).integers(1000, 30_000, 128) for row in range(len(lengths))])
    return {"input_ids": ids[:, :padded_to] * mask, "attention_mask": mask}


def make_rows(n_rows: int) -> dict[str, Arrays]:
    rng = np.random.default_rng(0)
    return {
        "text_encoder": make_texts([9] * n_rows, 9),
        "image_encoder": {"pixels": rng.integers(0, 256, (n_rows, 3, 160, 160), np.uint8)},
        "audio_encoder": {"log_mel": rng.uniform(-1, 1, (n_rows, 64, 200)).astype(np.float32)},
        "fusion": {
            "tokens": rng.normal(size=(n_rows, 8, 256)).astype(np.float32),
            "mask": np.ones((n_rows, 8), bool),
            "kind": np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], n_rows, axis=0).astype(np.int64),
        },
    }


SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "text_encoder": {"tokens": (4, 256), "logits": (N_LABELS,), "token_scores": (N_LABELS, 9)},
    "image_encoder": {"tokens": (4, 256), "logits": (N_LABELS,), "heatmap": (N_LABELS, 10, 10)},
    "audio_encoder": {"tokens": (4, 256), "logits": (N_LABELS,), "frame_scores": (N_LABELS, 50)},
    "fusion": {"logits": (N_LABELS,), "severity": (N_LABELS,)},
}


@pytest.mark.parametrize("model", [spec.name for spec in MODELS])
@pytest.mark.parametrize("n_rows", [1, 5])
def test_every_model_answers_in_the_shapes_of_the_design(triton_server: TritonServer, model: str, n_rows: int) -> None:
    outputs = infer(triton_server, model, make_rows(n_rows)[model])
    assert {name: array.shape for name, array in outputs.items()} == {
        name: (n_rows, *shape) for name, shape in SHAPES[model].items()
    }
    assert all(np.isfinite(array).all() for array in outputs.values())


@pytest.mark.parametrize("model", [spec.name for spec in MODELS])
def test_a_row_scores_the_same_alone_and_among_others(triton_server: TritonServer, model: str) -> None:
    rows = make_rows(7)[model]
    together = infer(triton_server, model, rows)
    alone = infer(triton_server, model, {name: array[3:4] for name, array in rows.items()})
    for name, array in alone.items():
        np.testing.assert_allclose(array, together[name][3:4], atol=1e-4, err_msg=name)


def test_a_text_scores_the_same_beside_longer_ones(triton_server: TritonServer) -> None:
    """Padding and long, loud neighbours are what quantisation with one scale per batch stumbles over."""
    among = infer(triton_server, "text_encoder", make_texts([7, 128, 90, 128, 64, 128], 128))
    alone = infer(triton_server, "text_encoder", make_texts([7], 7))
    for name in ("tokens", "logits"):
        np.testing.assert_allclose(alone[name], among[name][:1], atol=1e-4, err_msg=name)
    np.testing.assert_allclose(alone["token_scores"], among["token_scores"][:1, :, :7], atol=1e-4)


async def test_requests_of_many_shapes_at_once_get_their_own_answers(triton_server: TritonServer) -> None:
    requests = [make_texts([length], length, seed=length) for length in (5, 6, 5, 40, 7, 6, 128, 5) * 4]
    client = AsyncClient(triton_server.address)
    results = await asyncio.gather(*(client.infer("text_encoder", as_inputs(request)) for request in requests))
    await client.close()
    for request, result in zip(requests[:8], results[:8], strict=True):
        expected = infer(triton_server, "text_encoder", request)
        np.testing.assert_allclose(result.as_numpy("logits"), expected["logits"], atol=1e-4)


async def test_a_bad_request_fails_no_other(triton_server: TritonServer) -> None:
    good = make_texts([9], 9)
    bad = {**good, "input_ids": good["input_ids"] + 10**9}
    client = AsyncClient(triton_server.address)
    requests = [client.infer("text_encoder", as_inputs(bad if number == 5 else good)) for number in range(12)]
    results = await asyncio.gather(*requests, return_exceptions=True)
    await client.close()
    assert [number for number, result in enumerate(results) if isinstance(result, Exception)] == [5]
    assert isinstance(results[5], InferenceServerException)


def test_it_stops_and_starts_on_the_same_address(triton_files: None, tmp_path: Path) -> None:
    server = TritonServer(triton_repository(), tmp_path)
    for end in (server.stop, server.kill):
        server.start()
        server.wait_until_ready(120)
        server.check()
        assert server.pid is not None
        family = psutil.Process(server.pid).children(recursive=True)
        assert len(family) >= len(MODELS)
        end()
        _, alive = psutil.wait_procs(family, timeout=20)
        assert alive == []
    prefix = server._process._shared_memory
    assert prefix
    assert list(guard.SHARED_MEMORY.glob(f"{prefix}*")) == []
