"""How Faust is set up, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any, cast

import pytest

from sluice.app import _run, build_faust
from sluice.settings import load_settings


@pytest.mark.parametrize("session_timeout_s", ["6", "30", "1800"])
def test_every_session_timeout_that_the_settings_take_is_one_for_faust(session_timeout_s: str, tmp_path: Path) -> None:
    environment = {"SLUICE_SESSION_TIMEOUT_S": session_timeout_s, "SLUICE_MAX_DEADLINE_MS": "5000"}
    conf = build_faust(load_settings(environment), tmp_path).conf
    assert conf.broker_session_timeout == float(session_timeout_s)
    assert conf.broker_session_timeout <= conf.broker_rebalance_timeout <= conf.broker_request_timeout
    assert conf.broker_heartbeat_interval < conf.broker_session_timeout / 3


class StubbornApp:
    """Stops as Faust does while Kafka is away: not, and what cancels it is swallowed."""

    crash_reason = None

    async def start(self) -> None: ...

    async def wait_until_stopped(self) -> None:
        await asyncio.Event().wait()

    async def stop(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


async def test_a_worker_that_cannot_stop_ends_after_its_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> None:
        raise SystemError(code)

    monkeypatch.setattr(os, "_exit", leave)
    until = asyncio.Event()
    until.set()
    with pytest.raises(SystemError, match="1"):
        await _run(cast(Any, StubbornApp()), until, grace_s=0.01)
