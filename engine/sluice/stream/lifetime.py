"""How a worker lives and ends: asked to, it finishes what it has; after a crash it is gone soon, whatever hangs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import faust

from sluice.errors import SluiceError
from sluice.stream.watchdog import LoopGuard, Watchdog

logger = logging.getLogger(__name__)

STOP_MARGIN_S = 10.0
"""On top of the longest deadline, for the last commit and goodbyes, before the process ends anyway."""

CRASH_STOP_S = 4.0
"""After a crash, for the last commit and for leaving the group, so that others take the partitions at once."""

CRASH_END_S = 8.0
"""After a crash the process ends by then, whatever still runs."""


YOUNG_OBJECTS = 5_000
"""So many more objects before Python looks for cycles among them: a post has hundreds, and hardly a cycle."""


def spare_collections() -> None:
    """Have Python look for garbage less often, and not among what is loaded by now.

    To look through all of that takes a worker 40 ms, in which no post moves; and every 700 objects, as by default,
    is twelve times a second under load.
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


SWITCH_S = 0.0005
"""The loop waits so long at most for the thread that reads texts, each time that it has waited for anything else."""


def share_interpreter() -> None:
    """Have Python switch threads sooner: by default the loop may stand for 5 ms, several times in a post's way."""
    sys.setswitchinterval(SWITCH_S)


async def run_app(app: faust.App, until: asyncio.Event, max_deadline_s: float) -> None:
    """Run Faust until `until` is set.

    Raises
    ------
    SluiceError
        Faust crashed. The process must end now, and without waiting: Faust's supervisors start anew what is cancelled.
    """
    await app.start()
    asked = asyncio.create_task(until.wait())
    ended = asyncio.create_task(app.wait_until_stopped())
    await asyncio.wait({asked, ended}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if app.crash_reason:
        await _end_crashed(app, app.crash_reason)
    if not await _stop(app, max_deadline_s + STOP_MARGIN_S):
        logger.error("not stopped cleanly and in time: what is not acknowledged will be delivered again")
        leave(1)  # Faust waits for ever for a post that is stuck; nothing uncommitted is lost by leaving
    ended.cancel()
    if app.crash_reason:
        await _end_crashed(app, app.crash_reason)


@asynccontextmanager
async def guarding(app: faust.App, watchdog: Watchdog, loop_patience_s: float) -> AsyncIterator[None]:
    """End the worker if it stands still inside: its posts, or for so long its event loop."""
    guard = LoopGuard(loop_patience_s)
    guard.start()
    watching = asyncio.create_task(_crash_when_stalled(app, watchdog))
    try:
        yield
    finally:
        watching.cancel()
        guard.stop()


async def _crash_when_stalled(app: faust.App, watchdog: Watchdog) -> None:
    why = await watchdog.stalled()
    logger.critical("the worker stands still, and ends: %s", why)
    await app.crash(SluiceError(why))


async def _end_crashed(app: faust.App, reason: BaseException) -> NoReturn:
    """Say goodbye to Kafka if that is quick, and end."""
    end_within(CRASH_END_S)
    await _stop(app, CRASH_STOP_S)
    raise SluiceError(f"the worker failed: {reason!r}")


async def _stop(app: faust.App, timeout_s: float) -> bool:
    """Stop Faust; whether it has stopped. To cancel it would not do: Faust swallows that."""
    stopping = asyncio.create_task(app.stop())
    await asyncio.wait({stopping}, timeout=timeout_s)
    return stopping.done() and not stopping.cancelled() and stopping.exception() is None


def end_within(seconds: float) -> None:
    """End the process with status 1 after so long, if it still runs then."""
    timer = threading.Timer(seconds, leave, args=(1,))
    timer.daemon = True
    timer.start()


def leave(status: int) -> NoReturn:
    """End the process at once, waiting neither for threads that hang in a decoder nor for tasks that restart."""
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)
