"""How a worker ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
from typing import Any, cast

import pytest

from sluice.errors import SluiceError
from sluice.stream import lifetime
from sluice.stream.lifetime import SWITCH_S, YOUNG_OBJECTS, run_app, share_interpreter, spare_collections


class StubbornApp:
    """Stops as Faust does while Kafka is away: not, and what cancels it is swallowed."""

    def __init__(self, crash_reason: BaseException | None = None) -> None:
        self.crash_reason = crash_reason

    async def start(self) -> None: ...

    async def wait_until_stopped(self) -> None:
        if not self.crash_reason:
            await asyncio.Event().wait()

    async def stop(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


class Left(Exception):
    """Instead of the end of the test."""


@pytest.fixture(autouse=True)
def ends(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds after which the process was to end anyway."""
    ends: list[float] = []

    def leave(status: int) -> None:
        raise Left(status)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(lifetime, "end_within", ends.append)
    monkeypatch.setattr(lifetime, "STOP_MARGIN_S", 0.01)
    monkeypatch.setattr(lifetime, "CRASH_STOP_S", 0.01)
    return ends


async def test_a_worker_that_cannot_stop_ends_after_its_grace() -> None:
    until = asyncio.Event()
    until.set()
    with pytest.raises(Left, match="1"):
        await run_app(cast(Any, StubbornApp()), until, max_deadline_s=0.01)


async def test_a_crash_ends_it_whatever_still_runs(ends: list[float]) -> None:
    with pytest.raises(SluiceError, match="RuntimeError"):
        await run_app(cast(Any, StubbornApp(RuntimeError())), asyncio.Event(), max_deadline_s=600)
    assert ends == [lifetime.CRASH_END_S]


def test_what_is_loaded_is_not_looked_through_again() -> None:
    before = gc.get_threshold()
    try:
        spare_collections()
        assert gc.get_freeze_count() > 1_000
        assert gc.get_threshold() == (YOUNG_OBJECTS, *before[1:])
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_threads_take_turns_sooner() -> None:
    before = sys.getswitchinterval()
    try:
        share_interpreter()
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
        assert before > SWITCH_S
    finally:
        sys.setswitchinterval(before)
