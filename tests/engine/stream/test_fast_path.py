"""What does not wait is done at once; what waits is waited for as Faust would."""

from __future__ import annotations

import asyncio

import pytest

from sluice.stream.fast_path import Eager


class Waiter(Eager):
    """A service that does nothing."""


class Queue:
    """Takes messages while there is room."""

    def __init__(self, *, has_room: bool) -> None:
        self.room, self.taken = asyncio.Event(), list[str]()
        if has_room:
            self.room.set()

    async def put(self, message: str) -> str:
        await self.room.wait()
        await self.room.wait()
        self.taken.append(message)
        return message


async def test_what_does_not_wait_is_done_without_a_task() -> None:
    waiter, queue, never = Waiter(), Queue(has_room=True), asyncio.Event()
    n_tasks = len(asyncio.all_tasks())
    waiting = waiter.wait_first(queue.put("a"), never.wait())
    with pytest.raises(StopIteration) as end:
        waiting.send(None)
    assert end.value.value.results == ["a"]
    assert queue.taken == ["a"]
    assert len(asyncio.all_tasks()) == n_tasks


async def test_what_waits_goes_on_where_it_was() -> None:
    waiter, queue, never = Waiter(), Queue(has_room=False), asyncio.Event()
    waiting = asyncio.create_task(waiter.wait_first(queue.put("a"), never.wait()))
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.room.set()
    assert (await waiting).results == ["a"]
    assert queue.taken == ["a"]


async def test_the_other_one_ends_the_wait_and_the_first_is_cancelled() -> None:
    waiter, queue, suspended = Waiter(), Queue(has_room=False), asyncio.Event()
    waiting = asyncio.create_task(waiter.wait_first(queue.put("a"), suspended.wait()))
    await asyncio.sleep(0)
    suspended.set()
    assert (await waiting).results == [True]
    queue.room.set()
    for _ in range(3):
        await asyncio.sleep(0)
    assert queue.taken == []


async def test_an_error_is_raised_at_once_and_later() -> None:
    async def fail(gate: asyncio.Event) -> None:
        await gate.wait()
        raise ValueError("full")

    waiter, opened, closed, never = Waiter(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    opened.set()
    with pytest.raises(ValueError, match="full"):
        await waiter.wait_first(fail(opened), never.wait())
    waiting = asyncio.create_task(waiter.wait_first(fail(closed), never.wait()))
    await asyncio.sleep(0)
    closed.set()
    with pytest.raises(ValueError, match="full"):
        await waiting


async def test_events_are_waited_for_as_ever() -> None:
    waiter, event = Waiter(), asyncio.Event()
    event.set()
    assert (await waiter.wait_first(event)).results == [True]


@pytest.mark.parametrize("has_room", [True, False])
async def test_in_a_service_that_has_stopped_nothing_counts(*, has_room: bool) -> None:
    waiter, queue, never = Waiter(), Queue(has_room=has_room), asyncio.Event()
    waiter._stopped.set()
    assert await waiter.wait_first(queue.put("a"), never.wait()) == ([], [], True)


async def test_a_service_that_stops_meanwhile_has_waited_for_nothing() -> None:
    async def stop() -> None:
        waiter._stopped.set()

    waiter, never = Waiter(), asyncio.Event()
    assert await waiter.wait_first(stop(), never.wait()) == ([], [], True)
