"""Rows of many callers into few requests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from sluice.contract import Axis, ModelSpec, TensorSpec
from sluice.errors import InferenceError, InferenceLate, InferenceUnavailable, ModelBusy
from sluice.inference import Array, Arrays
from sluice.inference.batching import BatchQueue
from sluice.inference.costs import Costs

LENGTH = Axis("length", (1, 10, 20))
SPEC = ModelSpec(
    "m",
    (TensorSpec("x", "INT64", (LENGTH,)),),
    (TensorSpec("double", "INT64", ()), TensorSpec("scores", "INT64", (LENGTH,))),
    max_rows=4,
    max_cells=40,
)
COSTS = Costs(request_us=10.0, cell_us=1.0)
"""A request is worth ten cells of padding."""


class Server:
    """Doubles what it gets; holds every request until `gate` is open."""

    def __init__(self) -> None:
        self.batches: list[Array] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.refuses: int | None = None
        self.error: InferenceError = InferenceError("refused")

    async def send(self, spec: ModelSpec, batch: dict[str, Array], deadline: float) -> list[Array]:
        x = batch["x"]
        self.batches.append(x)
        await self.gate.wait()
        if self.refuses in x:
            raise self.error
        return [2 * x.sum(axis=1), x]

    async def probe(self, timeout_s: float) -> None:
        if isinstance(self.error, InferenceUnavailable) and self.refuses is not None:
            raise self.error


def rows(*lengths: int, value: int = 1) -> list[Arrays]:
    return [{"x": np.full(length, value)} for length in lengths]


def queue(server: Server, n_requests: int = 1, costs: Costs = COSTS) -> BatchQueue:
    batches = BatchQueue(SPEC, server.send, server.probe)
    batches.suit(costs, n_requests)
    return batches


def soon(seconds: float = 30.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def gather(batches: BatchQueue, jobs: Sequence[list[Arrays]]) -> list[list[Arrays] | BaseException]:
    return await asyncio.gather(*(batches.run(job, soon()) for job in jobs), return_exceptions=True)


async def test_a_row_on_its_own_leaves_at_once() -> None:
    server = Server()
    ((outputs,),) = [await queue(server).run(rows(3), soon())]
    assert outputs["double"] == 6
    assert [batch.shape for batch in server.batches] == [(1, 3)]


async def test_rows_that_wait_leave_together_and_padding_is_cut_off() -> None:
    server = Server()
    results = await gather(queue(server), [rows(3), rows(2), rows(5), rows(4)])
    assert [batch.shape for batch in server.batches] == [(4, 5)]
    assert [len(job[0]["scores"]) for job in results] == [3, 2, 5, 4]  # type: ignore[index]
    assert [int(job[0]["double"]) for job in results] == [6, 4, 10, 8]  # type: ignore[index]


async def test_a_long_row_does_not_lengthen_short_ones_of_the_same_caller() -> None:
    server = Server()
    outputs = await queue(server).run(rows(2, 9, 3, 2), soon())
    assert sorted(batch.shape for batch in server.batches) == [(1, 9), (3, 3)]
    assert [len(row["scores"]) for row in outputs] == [2, 9, 3, 2]
    assert [int(row["double"]) for row in outputs] == [4, 18, 6, 4]


async def test_rows_go_together_only_where_the_padding_costs_less_than_another_request() -> None:
    server = Server()
    await gather(queue(server), [rows(2), rows(20), rows(2), rows(7)])
    assert [batch.shape for batch in server.batches] == [(3, 7), (1, 20)]
    cheap = Server()
    await gather(queue(cheap, costs=Costs(request_us=60.0, cell_us=1.0)), [rows(2), rows(10), rows(2), rows(7)])
    assert [batch.shape for batch in cheap.batches] == [(4, 10)]
    dear = Server()
    await gather(queue(dear, costs=Costs(request_us=4.0, cell_us=1.0)), [rows(2), rows(20), rows(2), rows(7)])
    assert sorted(batch.shape for batch in dear.batches) == [(1, 7), (1, 20), (2, 2)]


async def test_a_request_that_takes_long_enough_takes_no_more_rows() -> None:
    server = Server()
    await gather(queue(server, costs=Costs(request_us=3.0, cell_us=1.0)), [rows(6)] * 4)
    assert [batch.shape for batch in server.batches] == [(2, 6), (2, 6)]


async def test_requests_are_larger_while_much_waits() -> None:
    server = Server()
    await gather(queue(server, costs=Costs(request_us=1.0, cell_us=1.0)), [rows(2)] * 24)
    assert [len(batch) for batch in server.batches] == [3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]


async def test_no_request_is_over_the_limit_of_rows_or_of_cells() -> None:
    server = Server()
    await gather(queue(server), [rows(*[2] * 9), *[rows(20)] * 5])
    assert all(len(batch) <= SPEC.max_rows and batch.size <= SPEC.max_cells for batch in server.batches)
    assert sum(map(len, server.batches)) == 14


async def order_of(server: Server, posts: Sequence[tuple[list[Arrays], float]]) -> list[tuple[int, ...]]:
    """Shapes of the requests of posts with deadlines, all of which wait before the first is sent."""
    server.gate.clear()
    batches, now = queue(server), soon(0)
    jobs = [asyncio.create_task(batches.run(rows(1), soon(5)))]
    while not server.batches:
        await asyncio.sleep(0)
    jobs += [asyncio.create_task(batches.run(each, now + deadline)) for each, deadline in posts]
    await asyncio.sleep(0)
    server.gate.set()
    await asyncio.gather(*jobs)
    return [batch.shape for batch in server.batches[1:]]


async def test_what_is_due_first_is_sent_first() -> None:
    posts = [(rows(2), 30.0), (rows(20), 20.0), (rows(40), 10.0)]
    assert await order_of(Server(), posts) == [(1, 40), (1, 20), (1, 2)]


async def test_who_brings_much_work_lets_others_pass_and_not_for_long() -> None:
    much = [(rows(*[20] * 4), 10.0), (rows(2), 10.0001), (rows(2), 10.1)]
    assert await order_of(Server(), much) == [(2, 2), (2, 20), (2, 20)]
    later = [(rows(*[20] * 4), 10.0), (rows(2), 10.1)]
    assert await order_of(Server(), later) == [(2, 20), (2, 20), (1, 2)]


async def test_as_many_requests_at_once_as_allowed() -> None:
    server = Server()
    server.gate.clear()
    batches = queue(server, n_requests=2)
    jobs = [asyncio.create_task(batches.run(rows(2), soon())) for _ in range(12)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert [len(batch) for batch in server.batches] == [4, 4]
    server.gate.set()
    await asyncio.gather(*jobs)
    assert [len(batch) for batch in server.batches] == [4, 4, 4]


async def test_a_refused_row_does_not_take_its_neighbours_down() -> None:
    server = Server()
    server.refuses = 13
    good, bad, other = (await gather(queue(server), [rows(2), rows(2, value=13), rows(2)]))[:3]
    assert isinstance(bad, InferenceError)
    assert isinstance(good, list)
    assert isinstance(other, list)


async def test_an_outage_is_told_to_everyone_at_once() -> None:
    server = Server()
    server.refuses, server.error = 1, InferenceUnavailable("down")
    results = await gather(queue(server), [rows(2), rows(2), rows(2)])
    assert all(isinstance(result, InferenceUnavailable) for result in results)
    assert len(server.batches) == 1


async def test_a_fault_in_the_request_is_an_inference_error() -> None:
    async def broken(spec: ModelSpec, batch: dict[str, Array], deadline: float) -> list[Array]:
        raise ZeroDivisionError

    with pytest.raises(InferenceError, match="ZeroDivisionError"):
        await BatchQueue(SPEC, broken, Server().probe).run(rows(2), soon())


async def test_no_answer_before_the_deadline_is_late_and_frees_the_queue() -> None:
    server = Server()
    server.gate.clear()
    batches = queue(server)
    blocked = asyncio.create_task(batches.run(rows(2), soon()))
    while not server.batches:
        await asyncio.sleep(0)
    with pytest.raises(InferenceLate):
        await batches.run(rows(3), soon(0.01))
    server.gate.set()
    await blocked
    await batches.run(rows(4), soon())
    assert [batch.shape for batch in server.batches] == [(1, 2), (1, 4)]


class CrashingServer(Server):
    """Goes away over one row, and is back at once; answers probes."""

    def __init__(self, fatal: int | None) -> None:
        super().__init__()
        self.fatal = fatal
        self.n_crashes = 0
        self.crashed_with: list[int] = []

    async def send(self, spec: ModelSpec, batch: dict[str, Array], deadline: float) -> list[Array]:
        await asyncio.sleep(0)
        if self.fatal in batch["x"]:
            self.crashed_with.append(len(batch["x"]))
            raise InferenceUnavailable("m is not healthy", "m")
        return [2 * batch["x"].sum(axis=1), batch["x"]]


async def score_until_known(batches: BatchQueue, value: int) -> str:
    """As the moderator does: anew after every outage."""
    while True:
        try:
            await batches.run(rows(3, value=value), soon())
        except InferenceUnavailable:
            await batches.circuit.closed()
        except InferenceError as error:
            return type(error).__name__
        else:
            return "scored"


async def test_a_row_that_crashes_the_model_each_time_is_given_up_and_nobody_else() -> None:
    server = CrashingServer(fatal=3)
    batches = queue(server, n_requests=2)
    found = await asyncio.gather(*(score_until_known(batches, value) for value in range(8)))
    assert found == ["ModelCrashed" if value == 3 else "scored" for value in range(8)]
    assert server.crashed_with[-2:] == [1, 1]
    assert len(server.crashed_with) == 4


async def test_a_full_queue_blames_nobody() -> None:
    server = Server()
    server.refuses, server.error = 1, ModelBusy("m: the queue is full", "m")
    batches = queue(server)
    for _ in range(5):
        with pytest.raises(InferenceUnavailable):
            await batches.run(rows(3), soon())
        server.refuses = None
        await batches.circuit.closed()
        server.refuses = 1
    server.refuses = None
    assert await batches.run(rows(3), soon())
    assert batches._suspects._hits == {}


async def test_rows_that_are_late_are_late_together_and_without_a_probe() -> None:
    server = Server()
    server.refuses, server.error = 1, InferenceLate("late")
    found = await gather(queue(server), [rows(3), rows(3), rows(3)])
    assert [type(each) for each in found] == [InferenceLate] * 3
    assert len(server.batches) == 1
