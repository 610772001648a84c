"""A gRPC server that speaks Triton's protocol (KServe v2) and fails as told: real calls over a real connection."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import grpc
import numpy as np
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc
from tritonclient.utils import triton_to_np_dtype

from sluice.contract import FIRST_STAGE, MODELS, SPECS, Axis, ModelSpec, TensorSpec

Fault = Literal["internal", "hang", "full", "unloaded"]

_ERRORS: Mapping[str, tuple[grpc.StatusCode, str]] = {
    "internal": (grpc.StatusCode.INTERNAL, "CUDA error: an illegal memory access was encountered"),
    "full": (grpc.StatusCode.UNAVAILABLE, "inference request 'x' exceeds maximum queue size"),
    "unloaded": (grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'x' is not found"),
}
"""As Triton words them."""

KNOWN: dict[str, ModelSpec] = dict(SPECS) | {FIRST_STAGE.name: FIRST_STAGE}
"""Every model that can be served, by name; the first stage is not, unless `KServe.specs` holds it."""


class KServe(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Every model of the contract, whose every output is minus four.

    Attributes
    ----------
    faults : dict of str to Fault
        By model; a model that is missing works.
    specs : dict of str to ModelSpec
        What it serves, by name.
    parameters : dict of str to dict
        What models' configurations say besides, by model.
    version : str
        Of all models.
    n_probes, n_requests : Counter
        Calls by model: inferences of the smallest row there is and questions, and other inferences.
    """

    def __init__(self) -> None:
        self.faults: dict[str, Fault] = {}
        self.specs: dict[str, ModelSpec] = dict(SPECS)
        self.parameters: dict[str, dict[str, str]] = {}
        self.version = "1"
        self.n_probes: Counter[str] = Counter()
        self.n_requests: Counter[str] = Counter()
        self._working = asyncio.Event()

    def fail(self, fault: Fault, *models: str) -> None:
        """Let models fail; all of them, if none is named."""
        self._working.clear()
        self.faults = dict.fromkeys(models or [spec.name for spec in MODELS], fault)

    def work(self) -> None:
        """Let every model work again."""
        self.faults = {}
        self._working.set()

    async def ModelInfer(self, request: Any, context: Any) -> Any:
        """Answer an inference."""
        (self.n_probes if _is_smallest(request) else self.n_requests)[request.model_name] += 1
        if (fault := self.faults.get(request.model_name)) == "hang":
            await self._working.wait()
        elif fault:
            await context.abort(*_ERRORS[fault])
        response = service_pb2.ModelInferResponse(model_name=request.model_name, model_version=self.version)
        for tensor in self.specs[request.model_name].outputs:
            _add_output(response, tensor, request)
        return response

    async def ModelConfig(self, request: Any, context: Any) -> Any:
        """Answer what a model takes and gives."""
        self.n_probes[request.name] += 1
        if (fault := self.faults.get(request.name)) == "hang":
            await self._working.wait()
        elif fault == "unloaded":
            await context.abort(*_ERRORS[fault])
        config = as_config(self.specs[request.name])
        for name, value in self.parameters.get(request.name, {}).items():
            config.parameters[name].string_value = value
        return service_pb2.ModelConfigResponse(config=config)

    async def RepositoryIndex(self, request: Any, context: Any) -> Any:
        """Answer which models there are; a server that fails cannot tell."""
        if self.faults:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "no model repository")
        models = [service_pb2.RepositoryIndexResponse.ModelIndex(name=name) for name in self.specs]
        return service_pb2.RepositoryIndexResponse(models=models)


def as_config(spec: ModelSpec) -> Any:
    """A model's configuration as Triton gives it."""
    config = model_config_pb2.ModelConfig(name=spec.name, max_batch_size=spec.max_rows)
    for tensors, added in ((spec.inputs, config.input), (spec.outputs, config.output)):
        for tensor in tensors:
            dims = [-1 if isinstance(size, Axis) else size for size in tensor.shape]
            added.add(name=tensor.name, data_type=f"TYPE_{tensor.type}", dims=dims)
    return config


def _is_smallest(request: Any) -> bool:
    shapes = {given.name: tuple(given.shape) for given in request.inputs}
    return all(shapes[given.name] == (1, *given.sizes()) for given in KNOWN[request.model_name].inputs)


def _add_output(response: Any, tensor: TensorSpec, request: Any) -> None:
    shapes = {given.name: list(given.shape) for given in request.inputs}
    lengths = {
        axis: size
        for given in KNOWN[request.model_name].inputs
        for axis, size in zip(given.shape, shapes[given.name][1:], strict=True)
        if isinstance(axis, Axis)
    }
    n_rows = next(iter(shapes.values()))[0]
    shape = [n_rows, *(lengths[size] if isinstance(size, Axis) else size for size in tensor.shape)]
    response.outputs.add(name=tensor.name, datatype=tensor.type, shape=shape)
    response.raw_output_contents.append(np.full(shape, -4, triton_to_np_dtype(tensor.type)).tobytes())


@asynccontextmanager
async def serving(server: KServe, address: str = "127.0.0.1:0", credentials: Any = None) -> AsyncIterator[int]:
    """Serve at an address; gives the port."""
    grpc_server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(server, grpc_server)
    port = grpc_server.add_secure_port(address, credentials) if credentials else grpc_server.add_insecure_port(address)
    await grpc_server.start()
    try:
        yield port
    finally:
        server.work()
        await grpc_server.stop(0)
