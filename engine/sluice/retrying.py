"""Trying again with tenacity, which is not asked where the first try succeeds: it would take longer than some tries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import tenacity

ResultT = TypeVar("ResultT")


async def keep_trying(
    attempt: Callable[[], Awaitable[ResultT]], attempts: Callable[[], tenacity.AsyncRetrying]
) -> ResultT:
    """Return ``await attempts()(attempt)``, all tries counted; raises what that raises.

    Parameters
    ----------
    attempt : coroutine function
    attempts : callable
        Makes what decides on further tries, once the first one has failed.
    """
    try:
        return await attempt()
    except Exception as error:
        first: Exception | None = error

    async def try_again() -> ResultT:
        nonlocal first
        if first is None:
            return await attempt()
        failed, first = first, None
        raise failed

    return await attempts()(try_again)
