"""Rows of many posts into few requests to one model: which rows go together, how they are padded and told apart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from time import monotonic

import numpy as np

from sluice.contract import Axis, ModelSpec, TensorSpec
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable, ModelBusy
from sluice.inference import Array, Arrays
from sluice.inference.circuit import Circuit, Probe
from sluice.inference.costs import ON_GPU, Costs
from sluice.inference.suspects import Suspects
from sluice.microbatch import MicroBatcher
from sluice.sharedlock import SharedExclusiveLock

Send = Callable[[ModelSpec, dict[str, Array], float], Awaitable[list[Array]]]
"""Model, batch by input name, deadline on the loop's clock → outputs in the order of `ModelSpec.outputs`."""


HANDICAP = 2.0
"""How much later a caller's rows count as due for each second that they take: whoever brings much work does not hold up
those who bring little, and is not put off for long."""
_BLAMELESS = (InferenceUnavailable, InferenceLate)
"""No row of a request is to blame for these: the model was away, or every row's deadline came first."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """Rows of one length that one caller waits for; they travel in one request.

    Attributes
    ----------
    length : int
        Of each row.
    n_cells : int
        Of all rows.
    deadline : float
        On the loop's clock.
    due : float
        What is due first is sent first.
    """

    rows: Sequence[Arrays]
    length: int
    n_cells: int
    deadline: float
    due: float


_DUE, _N_CELLS = attrgetter("due"), attrgetter("n_cells")


class BatchQueue:
    """Rows waiting for one model, and the few requests that may be on the way at once.

    Parameters
    ----------
    spec : ModelSpec
    send : callable
    probe : callable
        Tells whether the model answers; while it does not, every row fails at once with `InferenceUnavailable`.
    """

    def __init__(self, spec: ModelSpec, send: Send, probe: Probe) -> None:
        self._spec = spec
        self._send = send
        self._suspects = Suspects(spec.name)
        self._lock = SharedExclusiveLock()
        self._costs = ON_GPU
        self._measured = {axis: (tensor.name, n) for tensor in spec.inputs for axis, n in _axes(tensor)}
        self._cut_outputs = {tensor.name: tensor for tensor in spec.outputs if any(_axes(tensor))}
        self._measures_length = bool(self._measured)
        self._batcher = MicroBatcher(self._request, self._choose, spec.n_requests, _BLAMELESS)
        self.circuit = Circuit(spec.name, probe, self._batcher.abort)

    def suit(self, costs: Costs, n_requests: int) -> None:
        """Go by what requests cost where the model is served now, and how many it runs at once."""
        self._costs = costs
        self._batcher.allow(n_requests)

    async def run(self, rows: Sequence[Arrays], deadline: float) -> list[Arrays]:
        """Outputs of `rows`; more rows than fit one request are cut into several.

        Raises
        ------
        InferenceLate
            The deadline came first.
        ModelCrashed
            The model crashes on them each time.
        """
        self.circuit.require()
        started = monotonic()
        lengths = [self._length(row) for row in rows]
        by_length = sorted(range(len(rows)), key=lengths.__getitem__)
        jobs = list(self._cut([(rows[i], lengths[i]) for i in by_length], deadline))
        for job in jobs:
            self._suspects.require(job.rows)
        try:
            async with asyncio.timeout_at(deadline):
                found = await self._batcher.run(*jobs)
        except TimeoutError as error:
            raise InferenceLate(f"{self._spec.name}: no answer before the deadline") from error
        finally:
            if asyncio.get_running_loop().time() >= deadline:
                self.circuit.note_late(started)  # the caller's own deadline may have come first, as a cancellation
        in_order = dict(zip(by_length, (outputs for each in found for outputs in each), strict=True))
        return [in_order[i] for i in range(len(rows))]

    def _cut(self, rows: Sequence[tuple[Arrays, int]], deadline: float) -> Iterator[_Job]:
        """Rows with their lengths, the shortest first, into jobs of equal length that fit one request each.

        Others of their length may be on their way with other callers: what is tied together finds less company.
        """
        due = deadline + HANDICAP * self._costs.seconds(sum(length for _, length in rows))
        for length, same in groupby(rows, key=lambda row: row[1]):
            together: list[Arrays] = []
            for row, _ in same:
                if together and not self._fits([length] * (len(together) + 1)):
                    yield _Job(together, length, length * len(together), deadline, due)
                    together = []
                together.append(row)
            yield _Job(together, length, length * len(together), deadline, due)

    def _choose(self, jobs: Sequence[_Job]) -> list[int]:
        """The job that is due first, and those nearest to it in length for which that is cheaper than to go apart.

        One that may crash the model travels alone.
        """
        leader = min(jobs, key=_DUE)
        first = jobs.index(leader)
        chosen, length = [first], leader.length
        lengths = [length] * len(leader.rows)
        n_waiting = sum(map(_N_CELLS, jobs))
        if self._suspects.holds(leader.rows) or not self._fits([*lengths, length], n_waiting):
            return chosen  # there is no room for one more row as long as these, and any other costs more
        distances = [abs(job.length - length) for job in jobs]
        for position in sorted(range(len(jobs)), key=distances.__getitem__):
            if position == first or self._suspects.holds(jobs[position].rows):
                continue
            more = [jobs[position].length] * len(jobs[position].rows)
            if not self._fits([*lengths, *more], n_waiting):
                break
            lengths += more
            chosen.append(position)
        return chosen

    def _fits(self, lengths: Sequence[int], n_waiting: int = 0) -> bool:
        """Whether rows of these lengths may travel in one request, and gain by it, while so many cells wait."""
        return (
            len(lengths) <= self._spec.max_rows
            and len(lengths) * max(lengths) <= self._spec.max_cells
            and self._costs.go_together(lengths, n_waiting)
        )

    def _length(self, row: Arrays) -> int:
        """Cells of a row."""
        return len(next(iter(row.values()))) if self._measures_length else 1

    async def _request(self, jobs: list[_Job]) -> list[list[Arrays]]:
        alone = self._suspects.holds(jobs[0].rows)
        async with self._lock.exclusive() if alone else self._lock.shared():
            try:
                outputs = await self._try(jobs)
            except ModelBusy:
                raise
            except (InferenceUnavailable, asyncio.CancelledError):
                self._suspects.blame((job.rows for job in jobs), alone=alone)
                raise
        self._suspects.acquit(job.rows for job in jobs)
        return outputs

    async def _try(self, jobs: list[_Job]) -> list[list[Arrays]]:
        started = monotonic()
        try:
            outputs = iter(await self._call([row for job in jobs for row in job.rows], max(j.deadline for j in jobs)))
        except InferenceUnavailable as error:
            self.circuit.open(error)
            raise
        except InferenceLate:
            self.circuit.note_late(started)
            raise
        except Exception as error:
            await self.circuit.confirm(started)  # the rows are to blame, unless the model refuses whatever it gets
            if isinstance(error, InferenceError):
                raise
            raise InferenceError(f"{self._spec.name}: {type(error).__name__}") from error
        return [[next(outputs) for _ in job.rows] for job in jobs]

    async def _call(self, rows: list[Arrays], deadline: float) -> list[Arrays]:
        batch = {tensor.name: _stack([row[tensor.name] for row in rows]) for tensor in self._spec.inputs}
        with self.circuit.request():
            outputs = await self._send(self._spec, batch, deadline)
        return [self._row_outputs(outputs, i, row) for i, row in enumerate(rows)]

    def _row_outputs(self, outputs: list[Array], i: int, row: Arrays) -> Arrays:
        """Outputs of row `i`, cut back to the row's own length where the batch was padded."""
        own = {tensor.name: array[i] for tensor, array in zip(self._spec.outputs, outputs, strict=True)}
        if self._cut_outputs:
            lengths = {axis: row[name].shape[n] for axis, (name, n) in self._measured.items()}
            own |= {name: own[name][_cut(tensor, lengths)] for name, tensor in self._cut_outputs.items()}
        return own


def _axes(tensor: TensorSpec) -> Iterator[tuple[Axis, int]]:
    """The axes along which rows differ, and where they stand."""
    return ((axis, n) for n, axis in enumerate(tensor.shape) if isinstance(axis, Axis))


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
