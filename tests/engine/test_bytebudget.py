import asyncio

import pytest

from sluice.bytebudget import ByteBudget


async def test_no_more_than_the_total_is_in_use() -> None:
    budget, most = ByteBudget(100), 0

    async def use(n_bytes: int) -> None:
        nonlocal most
        async with budget.hold(n_bytes):
            most = max(most, budget.used)
            await asyncio.sleep(0)

    await asyncio.gather(*(use(n_bytes) for n_bytes in [30, 60, 100, 1, 99, 500, 7] * 5))
    assert most == 100
    assert budget.used == 0


async def test_a_large_request_is_not_overtaken() -> None:
    budget, order = ByteBudget(100), []

    async def use(n_bytes: int) -> None:
        async with budget.hold(n_bytes):
            order.append(n_bytes)
            await asyncio.sleep(0)

    await asyncio.gather(*(use(n_bytes) for n_bytes in [60, 90, 1, 2]))
    assert order == [60, 90, 1, 2]


async def test_who_gives_up_waiting_holds_up_nobody() -> None:
    budget = ByteBudget(100)
    taken = await budget.take(60)
    large, small = asyncio.create_task(budget.take(90)), asyncio.create_task(budget.take(40))
    await asyncio.sleep(0)
    large.cancel()
    assert await small == 40
    budget.give(taken)
    assert budget.used == 40


async def test_who_is_cancelled_in_its_turn_gives_back() -> None:
    budget = ByteBudget(10)
    taken = await budget.take(10)
    waiting = asyncio.create_task(budget.take(5))
    await asyncio.sleep(0)
    budget.give(taken)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert budget.used == 0
