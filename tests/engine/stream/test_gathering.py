"""What is sent at about the same time leaves together while there is much; else nobody waits."""

from __future__ import annotations

import asyncio

from sluice.stream.gathering import Gathering


async def test_nobody_waits_while_there_is_little() -> None:
    joining = Gathering(lambda: False).join()
    try:
        joining.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")


async def test_all_who_wait_leave_in_the_same_step() -> None:
    gathering, left, steps = Gathering(lambda: True), list[int](), list[int]()

    async def leave(number: int) -> None:
        await gathering.join()
        left.append(number)
        asyncio.get_running_loop().call_soon(lambda: steps.append(len(left)))

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(leave(number))
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert left == [0, 1, 2]
    assert steps == [3, 3, 3]


async def test_who_gives_up_holds_up_nobody() -> None:
    gathering = Gathering(lambda: True)
    first, second = (asyncio.create_task(gathering.join()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()


async def test_who_comes_while_others_wait_goes_with_them_though_it_has_grown_quiet() -> None:
    busy = [True]
    gathering = Gathering(lambda: busy[0])
    first = asyncio.create_task(gathering.join())
    await asyncio.sleep(0)
    busy[0] = False
    second = asyncio.create_task(gathering.join())
    await asyncio.sleep(0)
    assert not second.done()
    await asyncio.gather(first, second)
    await gathering.join()
