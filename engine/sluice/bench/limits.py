"""The limit: the encoders alone on rows that are ready, at the best batch size, with nothing around them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient

from sluice.bench.plain_model import find_model
from sluice.bench.tensors import ENCODERS, Reader, cut, length_of, make_batch
from sluice.contract import TEXT_ENCODER, ModelSpec
from sluice.inference import Arrays
from sluice.schema import Post
from sluice.triton_backend.sessions import open_session

BATCHES = (1, 2, 4, 8, 16, 32)
"""Rows a request that are tried."""
N_SWEPT = 384
"""Rows of a model that are enough to choose among them."""
N_IN_FLIGHT = 4
_CHANNEL = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1),
            ("grpc.enable_http_proxy", 0)]  # fmt: skip

Rows = Mapping[str, Sequence[Arrays]]
"""Of each encoder, by its name."""
Curves = dict[str, dict[int, float]]
"""Rows per second by encoder and batch size."""
Batch = tuple[ModelSpec, Sequence[Arrays]]


@dataclass(frozen=True)
class Limit:
    """What the encoders alone come to.

    Attributes
    ----------
    begin, end : float
        Seconds since the epoch.
    n_posts : int
        Whose rows all went through between them.
    """

    begin: float
    end: float
    n_posts: int

    @property
    def posts_per_s(self) -> float:
        """Posts per second."""
        return self.n_posts / (self.end - self.begin)


class Limiter:
    """Sends ready rows to one way of running the encoders.

    Parameters
    ----------
    triton : str or None
        ``host:port`` of a Triton's gRPC; None runs them in this process, a session of one thread on each core.
    """

    def __init__(self, triton: str | None) -> None:
        self._engine: _Triton | _Sessions = _Triton(triton) if triton else _Sessions()
        self._reader = Reader()

    def sweep(self, posts: Sequence[Post]) -> Curves:
        """Rows per second by encoder and batch size."""
        found: dict[str, dict[int, float]] = {}
        for spec, rows in _by_length(self._reader.rows(posts)):
            spread = rows[:: max(1, len(rows) // N_SWEPT)]
            self._engine.run([(spec, group) for group in cut(spread[:: len(spread) // 32 or 1], 8)])  # warm it up
            found[spec.name] = {n: self._measure(spec, spread, n) for n in BATCHES if n <= spec.max_rows}
        return found

    def run(self, posts: Sequence[Post], curves: Curves, seconds: float) -> Limit:
        """Rows of so many of the posts as should take so long, at the batch sizes that were best."""
        n_rows = {name: len(rows) for name, rows in self._reader.rows(posts[:N_SWEPT]).items()}
        taken_s = sum(n / max(curves[name].values()) for name, n in n_rows.items() if name in curves)
        posts = posts[: max(1, round(len(posts[:N_SWEPT]) * seconds / taken_s))]
        batches = [
            (spec, group)
            for spec, rows in _by_length(self._reader.rows(posts))
            for group in _cut_to_fit(spec, rows, find_best(curves.get(spec.name, {spec.max_rows: 0.0})))
        ]
        begin = time.time()
        self._engine.run(batches)
        return Limit(begin, time.time(), len(posts))

    def _measure(self, spec: ModelSpec, rows: Sequence[Arrays], n_rows: int) -> float:
        batches = [(spec, group) for group in _cut_to_fit(spec, rows, n_rows)]
        begin = time.perf_counter()
        self._engine.run(batches)
        return len(rows) / (time.perf_counter() - begin)


def find_best(rates: Mapping[int, float]) -> int:
    """The batch size with the highest rate."""
    return max(rates, key=lambda n: rates[n])


class _Triton:
    """Requests through Triton's own client, a few on the way at once."""

    def __init__(self, address: str) -> None:
        self._address = address

    def run(self, batches: Sequence[Batch]) -> None:
        asyncio.run(self._run([(spec.name, _inputs_of(spec, rows)) for spec, rows in batches]))

    async def _run(self, requests: Sequence[tuple[str, list[InferInput]]]) -> None:
        left = iter(requests)
        async with InferenceServerClient(self._address, channel_args=_CHANNEL) as client:

            async def keep_sending() -> None:
                for model, inputs in left:
                    (await client.infer(model, inputs)).as_numpy("logits")

            await asyncio.gather(*(keep_sending() for _ in range(N_IN_FLIGHT)))


class _Sessions:
    """ONNX Runtime in this process; each core has sessions of its own."""

    def __init__(self) -> None:
        self._n_threads = os.cpu_count() or 1
        files = {spec.name: find_model(spec, "8bit") for spec in ENCODERS}
        self._sessions = [{name: open_session(file) for name, file in files.items()} for _ in range(self._n_threads)]

    def run(self, batches: Sequence[Batch]) -> None:
        left = iter([(spec, make_batch(spec, rows)) for spec, rows in batches])

        def keep_running(n: int) -> None:
            for spec, inputs in left:
                self._sessions[n][spec.name].run(list(spec.output_names), inputs)

        with ThreadPoolExecutor(self._n_threads) as threads:
            list(threads.map(keep_running, range(self._n_threads)))


def _by_length(rows: Rows) -> list[tuple[ModelSpec, list[Arrays]]]:
    """Each encoder's rows, the shortest first: what pads least."""
    return [(spec, sorted(rows[spec.name], key=length_of)) for spec in ENCODERS if rows[spec.name]]


def _cut_to_fit(spec: ModelSpec, rows: Sequence[Arrays], n_rows: int) -> list[Sequence[Arrays]]:
    """Batches of `n_rows`, or of fewer where the model takes no more cells."""
    groups: list[Sequence[Arrays]] = []
    for group in cut(rows, n_rows):
        is_text = spec is TEXT_ENCODER
        fitting = max(1, spec.max_cells // length_of(group[-1])) if is_text else n_rows
        groups += cut(group, fitting)
    return groups


def _inputs_of(spec: ModelSpec, rows: Sequence[Arrays]) -> list[InferInput]:
    batch = make_batch(spec, rows)
    inputs = []
    for tensor in spec.inputs:
        sent = InferInput(tensor.name, batch[tensor.name].shape, tensor.type)
        sent.set_data_from_numpy(batch[tensor.name])
        inputs.append(sent)
    return inputs
