"""Items of many callers into few calls, whatever the items are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sluice.microbatch import MicroBatcher


class Doubler:
    """Doubles numbers once `gate` is open; 13 is refused, and 99 is nobody's fault."""

    def __init__(self, n_calls: int = 1) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.batcher = MicroBatcher(self.call, self.choose, n_calls, (ConnectionError,))

    def choose(self, numbers: Sequence[int]) -> Sequence[int]:
        """The oldest, and at most two others that are as even or odd."""
        return [i for i, number in enumerate(numbers) if number % 2 == numbers[0] % 2][:3]

    async def call(self, numbers: list[int]) -> list[int]:
        self.batches.append(numbers)
        await self.gate.wait()
        if 99 in numbers:
            raise ConnectionError
        if 13 in numbers:
            raise ValueError("13")
        return [2 * number for number in numbers]


async def test_the_chosen_leave_together_and_each_caller_gets_its_own() -> None:
    doubler = Doubler()
    found = await asyncio.gather(*(doubler.batcher.run(*items) for items in ([1, 2], [3], [4], [5, 7])))
    assert found == [[2, 4], [6], [8], [10, 14]]
    assert doubler.batches == [[1, 3, 5], [2, 4], [7]]


async def test_only_so_many_calls_are_under_way() -> None:
    doubler = Doubler(n_calls=2)
    doubler.gate.clear()
    waiting = asyncio.gather(*(doubler.batcher.run(number) for number in range(1, 12)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(doubler.batches) == 2
    doubler.gate.set()
    assert await waiting == [[2 * number] for number in range(1, 12)]


async def test_one_bad_item_takes_no_neighbour_down() -> None:
    doubler = Doubler()
    good, bad = await asyncio.gather(doubler.batcher.run(1), doubler.batcher.run(13), return_exceptions=True)
    assert good == [2]
    assert isinstance(bad, ValueError)
    assert doubler.batches == [[1, 13], [1], [13]]


async def test_nothing_is_held_of_who_gave_up_while_no_call_ends() -> None:
    doubler = Doubler()
    doubler.gate.clear()
    first, gone = (asyncio.create_task(doubler.batcher.run(*numbers)) for numbers in ([1], [2, 4]))
    while not doubler.batches:
        await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait({gone})
    assert doubler.batcher._waiting == []
    doubler.gate.set()
    assert await first == [2]


async def test_what_no_item_is_to_blame_for_is_told_to_all_at_once() -> None:
    doubler = Doubler()
    outcomes = await asyncio.gather(*(doubler.batcher.run(n) for n in (1, 99)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ConnectionError, ConnectionError]
    assert doubler.batches == [[1, 99]]


async def test_who_gave_up_is_not_sent() -> None:
    doubler = Doubler()
    doubler.gate.clear()
    first, gone, stays = (asyncio.create_task(doubler.batcher.run(number)) for number in (1, 2, 4))
    while not doubler.batches:
        await asyncio.sleep(0)
    gone.cancel()
    doubler.gate.set()
    assert [await first, await stays] == [[2], [8]]
    assert doubler.batches == [[1], [4]]
    with pytest.raises(asyncio.CancelledError):
        await gone
