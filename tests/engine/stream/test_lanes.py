"""Posts wait for a place in their lane, in order, and not for ever."""

from __future__ import annotations

import asyncio

import pytest

from sluice.stream.lanes import Lanes, Leaving
from sluice.stream.pulse import Pulse


class Road:
    """Lanes for one post each, and who was in them."""

    def __init__(self) -> None:
        self.leaving = False
        self.pulse = Pulse()
        self.lanes = Lanes(1, lambda: self.leaving, self.pulse, pause_s=0.001)
        self.entered: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    def send(self, name: str, *, has_media: bool = False, rank: float = 0.0) -> asyncio.Task[None]:
        self.gates[name] = asyncio.Event()
        return asyncio.create_task(self._pass(name, has_media, rank))

    async def _pass(self, name: str, has_media: bool, rank: float) -> None:
        async with self.lanes.enter(has_media=has_media, rank=rank):
            self.entered.append(name)
            await self.gates[name].wait()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


async def test_a_lane_is_entered_in_order_and_the_other_one_at_once() -> None:
    road = Road()
    posts = [road.send(name, has_media=True) for name in ("first", "second", "third")]
    await road.settle()
    posts.append(road.send("text"))
    await road.settle()
    assert road.entered == ["first", "text"]
    for gate in road.gates.values():
        gate.set()
    await asyncio.gather(*posts)
    assert road.entered == ["first", "text", "second", "third"]


async def test_of_those_that_wait_the_lowest_rank_enters_first_and_then_who_came_first() -> None:
    road = Road()
    posts = [road.send(name, rank=rank) for name, rank in [("a", 9.0), ("b", 2.0), ("c", 1.0), ("d", 2.0), ("e", 1.0)]]
    await road.settle()
    for gate in road.gates.values():
        gate.set()
    await asyncio.gather(*posts)
    assert road.entered == ["a", "c", "e", "b", "d"]


async def test_who_waits_leaves_with_the_worker_and_gives_its_place_to_nobody() -> None:
    road = Road()
    first, second = road.send("first"), road.send("second")
    await road.settle()
    road.leaving = True
    with pytest.raises(Leaving):
        await second
    road.leaving = False
    road.gates["first"].set()
    await first
    third = road.send("third")
    road.gates["third"].set()
    await third
    assert road.entered == ["first", "third"]


async def test_a_post_whose_waiting_is_cancelled_leaves_no_gap() -> None:
    road = Road()
    first, second, third = (road.send(name) for name in ("first", "second", "third"))
    await road.settle()
    second.cancel()
    road.gates["first"].set()
    road.gates["third"].set()
    await asyncio.gather(first, third)
    assert road.entered == ["first", "third"]


async def test_a_full_lane_that_moves_is_a_sign_of_life() -> None:
    road = Road()
    first = road.send("first")
    await road.settle()
    assert road.pulse.tried_at == float("-inf")
    road.gates["first"].set()
    await first
    assert road.pulse.tried_at > float("-inf")
