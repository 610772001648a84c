"""One gRPC channel to Triton, made anew after an outage: the server may have moved, or the way be a black hole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc
from tritonclient.grpc import InferInput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

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

_ERRORS: dict[str, type[InferenceError]] = {
    str(grpc.StatusCode.UNAVAILABLE): InferenceUnavailable,  # also of a queue that is full
    str(grpc.StatusCode.CANCELLED): InferenceUnavailable,
    str(grpc.StatusCode.NOT_FOUND): InferenceUnavailable,  # the model is being loaded, or reloaded
    str(grpc.StatusCode.DEADLINE_EXCEEDED): InferenceLate,
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
        self._client = self._connect()

    async def infer(self, inputs: Sequence[InferInput], timeout_s: float) -> InferResult:
        """Run one request; raises `InferenceError`."""
        try:
            return await self._client.infer(self._model, list(inputs), client_timeout=timeout_s)
        except InferenceServerException as error:
            raise self._typed(error) from error

    async def describe(self, timeout_s: float) -> Any:
        """Triton's configuration of the model, as ``model_config.proto`` has it; raises `InferenceError`."""
        try:
            return (await self._client.get_model_config(self._model, client_timeout=timeout_s)).config
        except InferenceServerException as error:
            raise self._typed(error) from error

    async def list_models(self, timeout_s: float) -> set[str]:
        """Names of all models of the server's repository, whether they are loaded or not; raises `InferenceError`."""
        try:
            index = await self._client.get_model_repository_index(client_timeout=timeout_s)
        except InferenceServerException as error:
            raise self._typed(error) from error
        return {model.name for model in index.models}

    async def renew(self) -> None:
        """Connect anew: the name is resolved again, certificates are read again."""
        old, self._client = self._client, self._connect()
        await old.close()

    async def close(self) -> None:
        """Close the connection; requests on the way fail."""
        await self._client.close()

    def _connect(self) -> InferenceServerClient:
        config = self._config
        try:
            return InferenceServerClient(
                config.triton,
                ssl=config.uses_tls,
                root_certificates=config.ca_file,
                private_key=config.key_file,
                certificate_chain=config.cert_file,
                channel_args=_CHANNEL,
            )
        except OSError as error:
            raise SettingsError(f"SLUICE_TRITON_…_FILE: {error.filename}: {error.strerror}") from error

    def _typed(self, error: InferenceServerException) -> InferenceError:
        message = f"{self._model} at {self._config.triton}: {error.status()}: {error.message()}"
        kind = InferenceUnavailable if _DEAD_MODEL in str(error) else _ERRORS.get(error.status(), InferenceError)
        if kind is not InferenceUnavailable:
            return kind(message)
        return ModelBusy(message, self._model) if _FULL in str(error) else InferenceUnavailable(message, self._model)
