"""A `Classifier` on a Triton server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc
import numpy as np
import tenacity
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from sluice.config import InferenceConfig
from sluice.contract import MODELS, ModelSpec, TensorSpec
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable
from sluice.inference import Array, Arrays
from sluice.inference.batching import BatchQueue
from sluice.metrics import Metrics


class TritonClassifier:
    """A `Classifier` on a Triton server, over gRPC asyncio. One per event loop.

    Parameters
    ----------
    config : InferenceConfig
    metrics : Metrics
    """

    def __init__(self, config: InferenceConfig, metrics: Metrics) -> None:
        self._client = InferenceServerClient(config.triton, channel_args=_CHANNEL)
        self._config = config
        self._metrics = metrics
        self._queues = {spec.name: BatchQueue(spec, self._send) for spec in MODELS}

    async def infer(self, model: ModelSpec, rows: Sequence[Arrays], deadline: float) -> list[Arrays]:
        """See `Classifier.infer`."""
        return await self._queues[model.name].run(rows, deadline)

    async def versions(self) -> dict[str, str]:
        """See `Classifier.versions`."""
        try:
            described = [await self._client.get_model_metadata(spec.name, client_timeout=PROBE_S) for spec in MODELS]
        except InferenceServerException as error:
            self._metrics.triton_up.set(0)
            raise InferenceUnavailable(f"Triton at {self._config.triton} is not ready: {error.message()}") from error
        for spec in MODELS:
            await self._probe(spec)
        return {model.name: model.versions[-1] for model in described}

    async def _probe(self, spec: ModelSpec) -> None:
        """Score an empty row: Triton calls a model ready whose process has died."""
        try:
            await self._send_once(spec, _smallest_batch(spec), asyncio.get_running_loop().time() + PROBE_S)
        except InferenceError as error:
            self._metrics.triton_up.set(0)
            raise InferenceUnavailable(f"Triton is not ready: {error}") from error

    async def close(self) -> None:
        """Close the connection; requests on the way fail."""
        await self._client.close()

    async def _send(self, spec: ModelSpec, batch: dict[str, Array], deadline: float) -> list[Array]:
        """One request, tried again while Triton is only briefly away; outputs in the order of `spec.outputs`."""
        self._metrics.batch_rows.labels(spec.name).observe(len(next(iter(batch.values()))))
        attempts = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(InferenceUnavailable),
            wait=tenacity.wait_exponential(multiplier=0.05, max=0.5),
            stop=tenacity.stop_after_attempt(3),
            reraise=True,
        )
        return await attempts(self._send_once, spec, batch, deadline)

    async def _send_once(self, spec: ModelSpec, batch: dict[str, Array], deadline: float) -> list[Array]:
        timeout_s = min(deadline - asyncio.get_running_loop().time(), self._config.max_request_s)
        if timeout_s <= 0:
            raise InferenceLate(f"{spec.name}: the deadline passed before the request was sent")
        inputs = [_infer_input(tensor, batch[tensor.name]) for tensor in spec.inputs]
        try:
            with self._metrics.inference.labels(spec.name).time():
                result = await self._client.infer(spec.name, inputs, client_timeout=timeout_s)
        except InferenceServerException as error:
            raise self._typed(spec, error) from error
        self._metrics.triton_up.set(1)
        return [result.as_numpy(tensor.name) for tensor in spec.outputs]

    def _typed(self, spec: ModelSpec, error: InferenceServerException) -> InferenceError:
        kind = InferenceUnavailable if _DEAD_MODEL in str(error) else _ERRORS.get(error.status(), InferenceError)
        self._metrics.triton_errors.labels(spec.name, kind.__name__).inc()
        if kind is InferenceUnavailable:
            self._metrics.triton_up.set(0)
        return kind(f"{spec.name} at {self._config.triton}: {error.status()}: {error.message()}")


PROBE_S = 5.0
"""How long a question about Triton's health may take; a model that is only busy answers within it."""

_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),  # gRPC's own default of two minutes would outlast the outage
]

_ERRORS: dict[str, type[InferenceError]] = {
    str(grpc.StatusCode.UNAVAILABLE): InferenceUnavailable,
    str(grpc.StatusCode.CANCELLED): InferenceUnavailable,
    str(grpc.StatusCode.NOT_FOUND): InferenceUnavailable,  # the model is being loaded, or reloaded
    str(grpc.StatusCode.DEADLINE_EXCEEDED): InferenceLate,
}

_DEAD_MODEL = "is not healthy"
"""The Python backend's word for a model whose process has died. It stays dead, and Triton still calls it ready."""


def _smallest_batch(spec: ModelSpec) -> dict[str, Array]:
    """One row of zeros, as small as the model takes."""
    return {tensor.name: np.zeros((1, *tensor.sizes()), triton_to_np_dtype(tensor.type)) for tensor in spec.inputs}


def _infer_input(tensor: TensorSpec, array: Array) -> InferInput:
    sent = InferInput(tensor.name, array.shape, tensor.type)
    sent.set_data_from_numpy(array)
    return sent
