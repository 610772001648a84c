"""One gRPC channel to Triton, made anew after an outage: the server may have moved, or the way be a black hole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from sluice.config import InferenceConfig
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable, ModelBusy, SettingsError

CONNECT_S = 1.0
"""Shortest time that an attempt to connect is given, and longest pause between two."""

_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", int(CONNECT_S * 1000)),
    ("grpc.max_reconnect_backoff_ms", int(CONNECT_S * 1000)),  # gRPC's own two minutes would outlast the outage
    ("grpc.dns_min_time_between_resolutions_ms", int(CONNECT_S * 1000)),
    ("grpc.enable_http_proxy", 0),  # what people posted would pass the proxy in plain text
    ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection
    # Triton takes two pings without data in between, so one per request that waits long is all there may be.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
]

_ERRORS: dict[grpc.StatusCode, type[InferenceError]] = {
    grpc.StatusCode.UNAVAILABLE: InferenceUnavailable,  # also of a queue that is full
    grpc.StatusCode.CANCELLED: InferenceUnavailable,
    grpc.StatusCode.NOT_FOUND: InferenceUnavailable,  # the model is being loaded, or reloaded
    grpc.StatusCode.DEADLINE_EXCEEDED: InferenceLate,
}

_DEAD_MODEL = "is not healthy"
"""The Python backend's word for a model whose process has died. It stays dead, and Triton still calls it ready."""

_FULL = "exceeds maximum queue size"


class Connection:
    """The way to one model. One per event loop.

    Parameters
    ----------
    config : InferenceConfig
    model : str

    Raises
    ------
    SettingsError
        A file of the TLS settings cannot be read.
    """

    def __init__(self, config: InferenceConfig, model: str) -> None:
        self._config = config
        self._model = model
        self._channel = self._connect()
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    async def infer(self, request: Any, timeout_s: float) -> Any:
        """Answer a ``ModelInferRequest`` with a ``ModelInferResponse``; raises `InferenceError`."""
        return await self._ask(self._stub.ModelInfer, request, timeout_s)

    async def describe(self, timeout_s: float) -> Any:
        """Triton's configuration of the model, as ``model_config.proto`` has it; raises `InferenceError`."""
        request = service_pb2.ModelConfigRequest(name=self._model)
        return (await self._ask(self._stub.ModelConfig, request, timeout_s)).config

    async def list_models(self, timeout_s: float) -> set[str]:
        """Names of all models of the server's repository, whether they are loaded or not; raises `InferenceError`."""
        request = service_pb2.RepositoryIndexRequest()
        return {model.name for model in (await self._ask(self._stub.RepositoryIndex, request, timeout_s)).models}

    async def renew(self) -> None:
        """Connect anew: the name is resolved again, certificates are read again."""
        old, self._channel = self._channel, self._connect()
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        await old.close()

    async def close(self) -> None:
        """Close the connection; requests on the way fail."""
        await self._channel.close()

    async def _ask(self, call: Any, request: Any, timeout_s: float) -> Any:
        try:
            return await call(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise self._typed(error.code(), error.details() or "") from error

    def _connect(self) -> grpc.aio.Channel:
        if not self._config.uses_tls:
            return grpc.aio.insecure_channel(self._config.triton, options=_CHANNEL)
        try:
            return grpc.aio.secure_channel(self._config.triton, _credentials(self._config), options=_CHANNEL)
        except OSError as error:
            raise SettingsError(f"SLUICE_TRITON_…_FILE: {error.filename}: {error.strerror}") from error

    def _typed(self, status: grpc.StatusCode, detail: str) -> InferenceError:
        message = f"{self._model} at {self._config.triton}: {status}: {detail}"
        kind = InferenceUnavailable if _DEAD_MODEL in detail else _ERRORS.get(status, InferenceError)
        if kind is not InferenceUnavailable:
            return kind(message)
        return ModelBusy(message, self._model) if _FULL in detail else InferenceUnavailable(message, self._model)


def _credentials(config: InferenceConfig) -> grpc.ChannelCredentials:
    """Raises `OSError` for a file that cannot be read."""
    files = (config.ca_file, config.key_file, config.cert_file)
    return grpc.ssl_channel_credentials(*(None if file is None else Path(file).read_bytes() for file in files))
