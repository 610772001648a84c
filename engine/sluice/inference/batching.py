"""Rows of many posts into few requests, without waiting for company.

What is queued is sent as soon as one of a few request slots is free: on an idle stack a row leaves at once, under load
the batches grow by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sluice.contract import Axis, ModelSpec, TensorSpec
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable
from sluice.inference import Array, Arrays

Send = Callable[[ModelSpec, dict[str, Array], float], Awaitable[list[Array]]]
"""Model, batch by input name, deadline on the loop's clock → outputs in the order of `ModelSpec.outputs`."""


@dataclass(slots=True, eq=False)
class _Job:
    """Rows that one caller waits for; they travel in one request."""

    rows: Sequence[Arrays]
    length: int
    deadline: float
    done: asyncio.Future[list[Arrays]]


class BatchQueue:
    """Jobs waiting for one model, and the few requests that may be on the way at once."""

    def __init__(self, spec: ModelSpec, send: Send) -> None:
        self._spec = spec
        self._send = send
        self._free = spec.n_requests
        self._waiting: list[_Job] = []
        self._requests: set[asyncio.Task[None]] = set()
        self._is_starting = False

    async def run(self, rows: Sequence[Arrays], deadline: float) -> list[Arrays]:
        """Outputs of `rows`; more rows than fit one request are cut into several."""
        length = _longest(rows)
        n_together = max(1, min(self._spec.max_rows, self._spec.max_cells // length))
        jobs = [self._add(rows[i : i + n_together], deadline) for i in range(0, len(rows), n_together)]
        self._start_soon()
        try:
            async with asyncio.timeout_at(deadline):
                return [outputs for job in jobs for outputs in await job.done]
        except TimeoutError as error:
            raise InferenceLate(f"{self._spec.name}: no answer before the deadline") from error
        finally:
            for job in jobs:
                _withdraw(job)

    def _add(self, rows: Sequence[Arrays], deadline: float) -> _Job:
        done = asyncio.get_running_loop().create_future()
        job = _Job(rows, _longest(rows), deadline, done)
        self._waiting.append(job)
        return job

    def _start_soon(self) -> None:
        """Start after what else is ready now has run: rows that come in the same moment leave together."""
        if not self._is_starting:
            self._is_starting = True
            asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        self._is_starting = False
        self._waiting = [job for job in self._waiting if not job.done.done()]
        while self._free and self._waiting:
            self._free -= 1
            task = asyncio.create_task(self._request(self._take()))
            self._requests.add(task)
            task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        self._free += 1
        self._start()

    def _take(self) -> list[_Job]:
        """The oldest job and those nearest to it in length, as many as fit: little padding, and no job starves."""
        oldest = self._waiting[0]
        chosen: list[_Job] = []
        n_rows, longest = 0, 0
        for job in sorted(self._waiting, key=lambda job: abs(job.length - oldest.length)):
            n_rows, longest = n_rows + len(job.rows), max(longest, job.length)
            if chosen and (n_rows > self._spec.max_rows or n_rows * longest > self._spec.max_cells):
                break
            chosen.append(job)
        taken = set(map(id, chosen))
        self._waiting = [job for job in self._waiting if id(job) not in taken]
        return chosen

    async def _request(self, jobs: list[_Job]) -> None:
        try:
            outputs = await self._call(jobs)
        except InferenceUnavailable as error:
            _fail(jobs, error)
        except InferenceError as error:
            await self._retry_alone(jobs, error)
        except Exception as error:
            await self._retry_alone(jobs, InferenceError(f"{self._spec.name}: {type(error).__name__}"))
        else:
            _resolve(jobs, outputs)

    async def _retry_alone(self, jobs: list[_Job], error: InferenceError) -> None:
        """One bad row must not take its neighbours down: each job of a refused batch is tried by itself."""
        if len(jobs) == 1:
            _fail(jobs, error)
            return
        for job in jobs:
            await self._request([job])

    async def _call(self, jobs: list[_Job]) -> list[Arrays]:
        rows = [row for job in jobs for row in job.rows]
        batch = {tensor.name: _stack([row[tensor.name] for row in rows]) for tensor in self._spec.inputs}
        outputs = await self._send(self._spec, batch, max(job.deadline for job in jobs))
        return [self._row_outputs(outputs, i, row) for i, row in enumerate(rows)]

    def _row_outputs(self, outputs: list[Array], i: int, row: Arrays) -> Arrays:
        """Outputs of row `i`, cut back to the row's own length where the batch was padded."""
        lengths = {axis: size for tensor in self._spec.inputs for axis, size in _axes(tensor, row[tensor.name])}
        named = zip(self._spec.outputs, outputs, strict=True)
        return {tensor.name: array[i][_cut(tensor, lengths)] for tensor, array in named}


def _withdraw(job: _Job) -> None:
    """Nobody waits for this job any more. An error that nobody reads would be logged, so it is read here."""
    if job.done.done() and not job.done.cancelled():
        job.done.exception()
    job.done.cancel()


def _longest(rows: Sequence[Arrays]) -> int:
    return _length(rows[0]) if len(rows) == 1 else max(map(_length, rows))


def _length(row: Arrays) -> int:
    return len(next(iter(row.values())))


def _axes(tensor: TensorSpec, array: Array) -> Iterator[tuple[Axis, int]]:
    """The axes along which rows differ, and how long this one is."""
    return ((axis, size) for axis, size in zip(tensor.shape, array.shape, strict=True) if isinstance(axis, Axis))


def _cut(tensor: TensorSpec, lengths: Mapping[Axis, int]) -> tuple[slice, ...]:
    return tuple(slice(lengths[axis] if isinstance(axis, Axis) else None) for axis in tensor.shape)


def _stack(arrays: Sequence[Array]) -> Array:
    """Arrays of one batch, zeros behind those whose first axis is shorter."""
    longest = max(len(array) for array in arrays)
    if all(len(array) == longest for array in arrays):
        return np.stack(arrays)
    batch = np.zeros((len(arrays), longest, *arrays[0].shape[1:]), arrays[0].dtype)
    for row, array in zip(batch, arrays, strict=True):
        row[: len(array)] = array
    return batch


def _resolve(jobs: list[_Job], outputs: list[Arrays]) -> None:
    start = 0
    for job in jobs:
        if not job.done.done():
            job.done.set_result(outputs[start : start + len(job.rows)])
        start += len(job.rows)


def _fail(jobs: list[_Job], error: InferenceError) -> None:
    for job in jobs:
        if not job.done.done():
            job.done.set_exception(error)
