"""Items of many callers into few calls, without waiting for company.

What waits is sent as soon as one of a few calls is free: on an idle stack an item leaves at once, under load the
batches grow by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


@dataclass(slots=True, eq=False)
class _Job(Generic[ItemT, ResultT]):
    """An item, and what its caller waits for."""

    item: ItemT
    done: asyncio.Future[ResultT]

    def resolve(self, result: ResultT) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def withdraw(self) -> None:
        """Nobody waits for it any more. An error that nobody reads would be logged, so it is read here."""
        if self.done.done() and not self.done.cancelled():
            self.done.exception()
        self.done.cancel()


class MicroBatcher(Generic[ItemT, ResultT]):
    """Gathers the items of concurrent callers into calls.

    Parameters
    ----------
    call : coroutine function
        Items to their results, in order.
    choose : callable
        Of the items that wait, the oldest first, the positions of those that the next call takes; at least one.
    n_calls : int
        Calls under way at once.
    blameless : tuple of exception types
        Errors that no item is to blame for: everyone gets them at once. After any other error of a batch each of its
        items is tried by itself, so that one bad item does not take its neighbours down.
    """

    def __init__(
        self,
        call: Callable[[list[ItemT]], Awaitable[Sequence[ResultT]]],
        choose: Callable[[Sequence[ItemT]], Sequence[int]],
        n_calls: int = 1,
        blameless: tuple[type[Exception], ...] = (),
    ) -> None:
        self._call = call
        self._choose = choose
        self._n_calls = n_calls
        self._blameless = blameless
        self._waiting: list[_Job[ItemT, ResultT]] = []
        self._calls: dict[asyncio.Task[None], list[_Job[ItemT, ResultT]]] = {}
        self._is_starting = False

    async def run(self, *items: ItemT) -> list[ResultT]:
        """Results of `items`, in order; raises what `call` raised for one of them."""
        jobs = [self._add(item) for item in items]
        self._start_soon()
        try:
            return [await job.done for job in jobs]
        finally:
            for job in jobs:
                if not job.done.done() or job.done.cancelled():
                    self._leave(job)
                job.withdraw()

    def allow(self, n_calls: int) -> None:
        """Change how many calls are under way at once; those that are too many by now are finished."""
        self._n_calls = n_calls

    def abort(self, error: Exception) -> None:
        """Tell everyone who waits, and end the calls under way: none holds a place that is wanted later."""
        for job in self._waiting:
            job.fail(error)
        for task, jobs in self._calls.items():
            for job in jobs:
                job.fail(error)
            task.cancel()

    def _add(self, item: ItemT) -> _Job[ItemT, ResultT]:
        job: _Job[ItemT, ResultT] = _Job(item, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        return job

    def _leave(self, job: _Job[ItemT, ResultT]) -> None:
        """Nobody waits any more: no call may come for long that would notice."""
        if job in self._waiting:
            self._waiting.remove(job)

    def _start_soon(self) -> None:
        """Start after what else is ready now has run: items that come in the same moment leave together.

        While no call is free, the next one that ends starts another.
        """
        if not self._is_starting and len(self._calls) < self._n_calls:
            self._is_starting = True
            asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        self._is_starting = False
        if len(self._calls) < self._n_calls:  # else to look through all who wait is for nothing
            self._waiting = [job for job in self._waiting if not job.done.done()]
        while len(self._calls) < self._n_calls and self._waiting:
            jobs = self._take()
            task = asyncio.create_task(self._run(jobs))
            self._calls[task] = jobs
            task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        del self._calls[task]
        self._start()

    def _take(self) -> list[_Job[ItemT, ResultT]]:
        chosen = self._choose([job.item for job in self._waiting])
        taken = set(chosen)
        jobs = [self._waiting[position] for position in chosen]
        self._waiting = [job for position, job in enumerate(self._waiting) if position not in taken]
        return jobs

    async def _run(self, jobs: list[_Job[ItemT, ResultT]]) -> None:
        try:
            results = await self._call([job.item for job in jobs])
        except Exception as error:
            await self._blame(jobs, error)
        else:
            for job, result in zip(jobs, results, strict=True):
                job.resolve(result)

    async def _blame(self, jobs: list[_Job[ItemT, ResultT]], error: Exception) -> None:
        if len(jobs) == 1 or isinstance(error, self._blameless):
            for job in jobs:
                job.fail(error)
            return
        for job in jobs:
            await self._run([job])
