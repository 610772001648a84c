"""Runs one command in a process of its own, behind the scoring, and ends it as Ctrl-C does."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sluice.local import guard
from sluice.local.processes import make_way, start_guard

NICENESS = 10
PIECE_BYTES = 4096
MAX_LINE = 300
"""Characters of a line that are kept."""
LAST_WORDS_S = 5.0
"""What was said before the end is read for so long."""

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Launcher:
    """How processes are started and ended.

    Attributes
    ----------
    command : sequence of str
        What runs our commands.
    environment : mapping of str to str
        With where Kafka is, and with what may be secret.
    max_file_bytes : int
        That one file which it writes may have.
    stop_s : float
        Seconds from SIGINT to SIGKILL.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    max_file_bytes: int
    stop_s: float

    async def run(self, arguments: Sequence[str], printed: Path, note: Note) -> int:
        """Run one command to its end, and return its status; below 0 it is the signal that ended it.

        Cancelled, it ends the process as Ctrl-C does, and waits until that has cleaned up.

        Parameters
        ----------
        printed : Path
            Takes its standard output.
        note : callable
            Told each line of its standard error.
        """
        with printed.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *self.command, *arguments,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
                env=self.environment, start_new_session=True,
            )  # fmt: skip
        self._bound(process.pid)
        reading = asyncio.create_task(_read_lines(process.stderr, note)) if process.stderr else None
        keeper = start_guard(process.pid, self.stop_s)
        try:
            return await process.wait()
        except asyncio.CancelledError:
            await self._end(process)
            raise
        finally:
            guard.send(process.pid, signal.SIGKILL)  # what it may have left behind
            if reading is not None:
                await asyncio.wait([reading], timeout=LAST_WORDS_S)
                reading.cancel()
            await asyncio.to_thread(keeper.communicate, b"x")

    def _bound(self, pid: int) -> None:
        niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, pid, niceness)
            make_way(pid, niceness)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (self.max_file_bytes, self.max_file_bytes))
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        guard.send(process.pid, signal.SIGINT)
        try:
            async with asyncio.timeout(self.stop_s):
                await process.wait()
        except TimeoutError:
            guard.send(process.pid, signal.SIGKILL)
            await process.wait()


async def _read_lines(pipe: asyncio.StreamReader, note: Note) -> None:
    """Note whole lines; of a long one its beginning."""
    begun = b""
    while piece := await pipe.read(PIECE_BYTES):
        *lines, begun = (begun + piece).split(b"\n")
        for line in lines:
            note(_readable(line))
        begun = begun[: MAX_LINE * 4]
    if begun:
        note(_readable(begun))


def _readable(line: bytes) -> str:
    text = line.decode(errors="replace")[:MAX_LINE].rstrip()
    return "".join(character for character in text if character.isprintable())
