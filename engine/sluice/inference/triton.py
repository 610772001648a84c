"""A `Classifier` on a Triton server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial

import numpy as np
import tenacity

from sluice.config import InferenceConfig
from sluice.contract import FIRST_STAGE, MODELS, TEXT_ENCODER, ModelSpec
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable
from sluice.inference import Array, Arrays, Clearance
from sluice.inference.batching import BatchQueue
from sluice.inference.connection import Connection
from sluice.inference.costs import read_costs, read_n_requests
from sluice.inference.fit import check_config, check_outputs, read_clearance, read_languages
from sluice.inference.requests import dtype_of, make_request, read_outputs
from sluice.metrics import Metrics
from sluice.retrying import keep_trying


class TritonClassifier:
    """A `Classifier` on a Triton server, over gRPC asyncio. One per event loop.

    Parameters
    ----------
    config : InferenceConfig
    metrics : Metrics
    models : sequence of ModelSpec
        That are asked, and waited for.
    """

    def __init__(self, config: InferenceConfig, metrics: Metrics, models: Sequence[ModelSpec] = MODELS) -> None:
        self._versions: dict[str, str] = {}
        self._models = {spec.name: _Model(spec, config, metrics, self._versions) for spec in models}

    async def infer(self, model: ModelSpec, rows: Sequence[Arrays], deadline: float) -> list[Arrays]:
        """See `Classifier.infer`."""
        return await self._models[model.name].queue.run(rows, deadline)

    async def confirm(self, max_age_s: float = 0.0) -> None:
        """See `Classifier.confirm`."""
        since = time.monotonic() - max_age_s
        confirming = (model.queue.circuit.confirm(since) for model in self._models.values())
        for outcome in await asyncio.gather(*confirming, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def recovered(self, model: str) -> None:
        """See `Classifier.recovered`."""
        await self._models[model].queue.circuit.closed()

    @property
    def versions(self) -> dict[str, str]:
        """See `Classifier.versions`."""
        return self._versions

    @property
    def languages(self) -> tuple[str, ...] | None:
        """See `Classifier.languages`."""
        return self._models[TEXT_ENCODER.name].languages

    @property
    def clearance(self) -> Clearance | None:
        """See `Classifier.clearance`."""
        first_stage = self._models.get(FIRST_STAGE.name)
        return first_stage.clearance if first_stage else None

    async def close(self) -> None:
        """Close the connections; requests on the way fail."""
        await asyncio.gather(*(model.close() for model in self._models.values()))


class _Model:
    """One model's requests and probes, on a connection of its own: one that is away disturbs no other."""

    def __init__(self, spec: ModelSpec, config: InferenceConfig, metrics: Metrics, versions: dict[str, str]) -> None:
        self._spec = spec
        self._config = config
        self._metrics = metrics
        self._batch_rows = metrics.batch_rows.labels(spec.name)
        self._inference = metrics.inference.labels(spec.name)
        self._connection = Connection(config, spec.name)
        self._is_known, self._is_stale = False, False
        self._versions = versions
        self.languages: tuple[str, ...] | None = None
        self.clearance: Clearance | None = None
        self.queue = BatchQueue(spec, self._send, self._probe)

    async def close(self) -> None:
        """Ask no more, and close the connection."""
        await self.queue.circuit.stop()
        await self._connection.close()

    async def _send(self, spec: ModelSpec, batch: dict[str, Array], deadline: float) -> list[Array]:
        """One request, tried again while Triton is only briefly away; outputs in the order of `spec.outputs`."""
        self._batch_rows.observe(len(next(iter(batch.values()))))
        return await keep_trying(partial(self._send_once, batch, deadline), _while_briefly_away)

    async def _send_once(self, batch: dict[str, Array], deadline: float) -> list[Array]:
        timeout_s = min(deadline - asyncio.get_running_loop().time(), self._config.max_request_s)
        if timeout_s <= 0:
            raise InferenceLate(f"{self._spec.name}: the deadline passed before the request was sent")
        request = make_request(self._spec, batch)
        try:
            with self._inference.time():
                response = await self._connection.infer(request, timeout_s)
            checked = check_outputs(self._spec, batch, read_outputs(self._spec, response))
        except InferenceError as error:
            self._note_error(error)
            raise
        self._note_version(response.model_version)
        self._metrics.triton_up.set(1)
        return checked

    async def _probe(self, timeout_s: float) -> None:
        """Score the smallest row: Triton calls a model ready whose process has died. After a failure, connect anew."""
        if self._is_stale:
            await self._connection.renew()
        self._is_stale = True
        if not self._is_known:
            config = await self._connection.describe(timeout_s)
            check_config(self._spec, config)
            self.languages, self.clearance = read_languages(config), read_clearance(config)
            self.queue.suit(read_costs(config), read_n_requests(self._spec, config))
        self._is_known = False
        await self._send_once(_smallest_batch(self._spec), asyncio.get_running_loop().time() + timeout_s)
        self._is_known, self._is_stale = True, False

    def _note_error(self, error: InferenceError) -> None:
        self._metrics.triton_errors.labels(self._spec.name, type(error).__name__).inc()
        if isinstance(error, InferenceUnavailable):
            self._metrics.triton_up.set(0)

    def _note_version(self, version: str) -> None:
        """A model may be reloaded at any time: what counts is what has just answered."""
        before = self._versions.get(self._spec.name)
        if version != before:
            if before:
                self._metrics.model.remove(self._spec.name, before)
            self._versions[self._spec.name] = version
            self._metrics.model.labels(self._spec.name, version).set(1)


def _while_briefly_away() -> tenacity.AsyncRetrying:
    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(InferenceUnavailable),
        wait=tenacity.wait_exponential(multiplier=0.05, max=0.5),
        stop=tenacity.stop_after_attempt(3),
        reraise=True,
    )


def _smallest_batch(spec: ModelSpec) -> dict[str, Array]:
    """One row of zeros, as small as the model takes."""
    return {tensor.name: np.zeros((1, *tensor.sizes()), dtype_of(tensor.type)) for tensor in spec.inputs}
