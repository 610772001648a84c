"""Many hold it together, one holds it alone."""

from __future__ import annotations

import asyncio

from sluice.sharedlock import SharedExclusiveLock


async def test_who_holds_it_alone_meets_nobody() -> None:
    lock, n_holding, log = SharedExclusiveLock(), 0, []

    async def go(alone: bool) -> None:
        nonlocal n_holding
        async with lock.exclusive() if alone else lock.shared():
            n_holding += 1
            await asyncio.sleep(0)
            log.append((alone, n_holding))
            await asyncio.sleep(0)
            n_holding -= 1

    await asyncio.gather(*(go(number % 3 == 1) for number in range(12)))
    assert len(log) == 12
    assert {n for alone, n in log if alone} == {1}
    assert max(n for alone, n in log if not alone) > 1, "the others were to hold it together"
