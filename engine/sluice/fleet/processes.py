"""Worker processes that start and end together: one that ends by itself ends all, so that a supervisor sees it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice.fleet.server import FleetServer
from sluice.local import guard

logger = logging.getLogger(__name__)

GRACE_S = 60.0
"""A worker finishes the posts in flight, and bounds that itself: this is only the last resort."""


@dataclass(frozen=True)
class Member:
    """One worker process, and the guard that ends it should we die first."""

    number: int
    process: asyncio.subprocess.Process
    keeper: asyncio.subprocess.Process

    async def end(self, grace_s: float) -> int:
        """Wait until it has left, or end it; returns its status."""
        try:
            async with asyncio.timeout(grace_s):
                status = await self.process.wait()
        except TimeoutError:
            logger.error("worker process %d does not leave, and is killed", self.number)
            guard.send(self.process.pid, signal.SIGKILL)
            status = await self.process.wait()
        await self.keeper.communicate(b"x")
        return status


async def run_fleet(
    workers: Sequence[Mapping[str, str]], host: str, port: int, command: Sequence[str], grace_s: float = GRACE_S
) -> int:
    """Run workers until SIGTERM or SIGINT; SIGHUP goes to each. Returns 0 if all left as asked, else 1.

    Parameters
    ----------
    workers : sequence of mapping of str to str
        The environment of each, beside our own.
    host, port
        Of the one endpoint for ``/metrics``, ``/healthz`` and ``/readyz``.
    command : sequence of str
        Runs one worker, which serves its own endpoint as ``SLUICE_METRICS_HOST`` says.

    Raises
    ------
    SettingsError
        The port is taken.
    """
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    with tempfile.TemporaryDirectory(prefix="sluice-workers-") as folder:
        sockets = [Path(folder) / f"{number}.sock" for number in range(1, len(workers) + 1)]
        server = FleetServer(sockets)
        await server.start(host, port)
        members = [
            await _start(number, socket, command, environment)
            for number, (socket, environment) in enumerate(zip(sockets, workers, strict=True), 1)
        ]
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _tell, members, signal.SIGHUP)
        try:
            are_well = await _watch(members, asked)
            _tell(members, signal.SIGTERM)
            statuses = await asyncio.gather(*(member.end(grace_s) for member in members))
        finally:
            await server.stop()
    return 0 if are_well and not any(statuses) else 1


def _tell(members: Sequence[Member], number: signal.Signals) -> None:
    """A signal to all that are not gone; to their own processes, not to those that decode for them."""
    for member in members:
        if member.process.returncode is None:
            member.process.send_signal(number)


async def _watch(members: Sequence[Member], asked: asyncio.Event) -> bool:
    """Return True once we are asked to leave, False once a worker has left by itself."""
    asking = asyncio.create_task(asked.wait())
    leaving = {asyncio.create_task(member.process.wait()): member for member in members}
    done, pending = await asyncio.wait({asking, *leaving}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    for task in done - {asking}:
        member = leaving[task]
        logger.critical("worker process %d ended with status %s: ending all", member.number, member.process.returncode)
    return asking in done


async def _start(number: int, socket: Path, command: Sequence[str], environment: Mapping[str, str]) -> Member:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment, "SLUICE_METRICS_HOST": f"unix:{socket}"},
        start_new_session=True,  # Ctrl-C reaches us alone, and we ask all to leave
    )
    keeper = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", guard.__file__, str(process.pid), str(GRACE_S),
        stdin=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    return Member(number, process, keeper)
