"""Jobs: who asked for what, which wait, which run, what came of them, and how long that is kept."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from sluice.errors import SluiceError
from sluice.jobs.order import RESULT, KindName, Order
from sluice.jobs.running import Launcher
from sluice.jobs.said import Said

logger = logging.getLogger(__name__)

State = Literal["queued", "running", "done", "failed", "cancelled"]
PASSED, NOT_PASSED = 0, 1
"""Exit codes of a command that came to a result: with 1 it says that something is not as it should be."""
Clock = Callable[[], float]


class TooManyJobs(SluiceError):
    """No more may wait."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What jobs may take.

    Attributes
    ----------
    n_running, n_waiting, n_kept : int
        Jobs that run at once, those that wait, and those that have ended and are kept.
    run_s, kept_s : float
        Seconds that one may run, and that it is kept after its end.
    max_result_bytes, max_kept_bytes : int
        Of a result that is JSON; of all files that are kept.
    """

    n_running: int = 2
    n_waiting: int = 16
    n_kept: int = 64
    run_s: float = 3600.0
    kept_s: float = 86_400.0
    max_result_bytes: int = 16 * 2**20
    max_kept_bytes: int = 2**30


@dataclass(slots=True, eq=False)
class Job:
    """One run of a command for somebody. It does not hold the order: that may name who is to be erased.

    Attributes
    ----------
    by : str
        Who asked.
    is_json : bool
        Whether it prints a result that is JSON.
    asked_s, began_s, ended_s : float or None
        Seconds since 1970.
    said : Said
        On standard error.
    exit_code : int or None
        None until it has ended by itself.
    error : str
        What went wrong; empty if nothing did.
    has_result : bool
        Whether there is JSON in `RESULT`.
    """

    id: str
    kind: KindName
    by: str
    folder: Path
    is_json: bool
    page: str
    file: str
    asked_s: float
    began_s: float | None = None
    ended_s: float | None = None
    state: State = "queued"
    said: Said = field(default_factory=Said)
    exit_code: int | None = None
    error: str = ""
    has_result: bool = False
    n_bytes: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether nothing comes any more."""
        return self.state not in ("queued", "running")

    @property
    def has_come_to_something(self) -> bool:
        """Whether the command did what it was asked for, whatever it found."""
        if self.is_json:
            return self.has_result and self.exit_code in (PASSED, NOT_PASSED)
        return self.exit_code == PASSED

    def path(self, name: str) -> Path | None:
        """One of its files; None while it runs, and where there is none."""
        file = self.folder / name
        return file if name and self.has_ended and file.is_file() else None


class JobDesk:
    """Takes orders, and keeps what came of them until it is closed. Used from one event loop.

    Parameters
    ----------
    launcher : Launcher
    limits : Limits
    clock : callable
        Seconds since 1970.
    """

    def __init__(self, launcher: Launcher, limits: Limits | None = None, clock: Clock = time.time) -> None:
        self._launcher, self._limits, self._clock = launcher, limits or Limits(), clock
        self._folder = Path(tempfile.mkdtemp(prefix="sluice-jobs-"))
        self._jobs: dict[str, Job] = {}
        self._waiting: list[tuple[Job, Order]] = []
        self._running: dict[Job, asyncio.Task[None]] = {}

    def submit(self, order: Order, by: str) -> Job:
        """Let an order wait for its turn, and begin if it has come; raises `TooManyJobs`."""
        if len(self._waiting) >= self._limits.n_waiting:
            raise TooManyJobs(f"{self._limits.n_waiting} jobs wait already")
        self._drop_old()
        name = secrets.token_hex(16)
        is_json, folder = order.prints == RESULT, self._folder / name
        job = Job(name, order.kind, by, folder, is_json, order.page, order.file, self._clock())
        self._jobs[name] = job
        self._waiting.append((job, order))
        logger.info("job %s: kind %s, asked for with the key %s", name, order.kind, by)
        self._begin()
        return job

    def find(self, name: str) -> Job | None:
        """A job by its id; None for one that is not known, or no longer."""
        self._drop_old()
        return self._jobs.get(name)

    def jobs(self) -> list[Job]:
        """All that are known, the last first."""
        self._drop_old()
        return list(self._jobs.values())[::-1]

    async def cancel(self, job: Job) -> None:
        """End a job as Ctrl-C does, and wait for that; one that has ended is forgotten, with what it left."""
        if job.has_ended:
            self._forget(job)
        elif task := self._running.get(job):
            await _stop([task])
        else:
            self._waiting = [entry for entry in self._waiting if entry[0] is not job]
            self._close(job, "cancelled")

    async def close(self) -> None:
        """End all that run, and remove what was kept."""
        self._waiting = []
        await _stop(list(self._running.values()))
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _begin(self) -> None:
        """Begin what may run now: not two of a kind, so that no kind holds up the others."""
        for entry in list(self._waiting):
            if len(self._running) >= self._limits.n_running:
                return
            if all(job.kind != entry[0].kind for job in self._running):
                self._waiting.remove(entry)
                self._start(*entry)

    def _start(self, job: Job, order: Order) -> None:
        job.state, job.began_s = "running", self._clock()
        task = self._running[job] = asyncio.create_task(self._run(job, order))
        task.add_done_callback(lambda _: self._go_on(job))

    def _go_on(self, job: Job) -> None:
        del self._running[job]
        if not job.has_ended:  # it was cancelled before it began
            self._close(job, "cancelled")
        self._begin()

    async def _run(self, job: Job, order: Order) -> None:
        state: State = "failed"
        try:
            state = await self._work(job, order)
        except asyncio.CancelledError:
            state = "cancelled"
        except (OSError, ValueError) as error:
            job.error = f"it could not be run: {getattr(error, 'strerror', None) or type(error).__name__}"
        await self._take_stock(job, order)
        self._close(job, state)

    async def _work(self, job: Job, order: Order) -> State:
        limit_s = self._limits.run_s + order.more_s
        await asyncio.to_thread(_prepare, job, order)
        try:
            async with asyncio.timeout(limit_s):
                job.exit_code = await self._launcher.run(
                    order.arguments(job.folder), job.folder / order.prints, lambda line: job.said.note(_hide(line, job))
                )
        except TimeoutError:
            job.error = f"it ran for more than {limit_s:.0f} s, and was ended"
            return "failed"
        return "done"

    async def _take_stock(self, job: Job, order: Order) -> None:
        """Look at what the command left, and take away what it was given."""
        with suppress(asyncio.CancelledError, OSError):
            await asyncio.to_thread(order.remove_inputs, job.folder)
            job.n_bytes, job.has_result = await asyncio.to_thread(_measure, job, self._limits.max_result_bytes)

    def _close(self, job: Job, state: State) -> None:
        job.ended_s = self._clock()
        if state == "done" and not job.has_come_to_something:
            state, job.error = "failed", job.said.describe_end(job.exit_code)
        job.state = state
        logger.info("job %s: kind %s, %s", job.id, job.kind, state)

    def _drop_old(self) -> None:
        """Forget the oldest of those that have ended, until the rest is within the limits."""
        ended = [job for job in self._jobs.values() if job.has_ended]
        n_bytes = sum(job.n_bytes for job in ended)
        for n_left, job in zip(range(len(ended), 0, -1), ended, strict=True):
            is_old = self._clock() - (job.ended_s or 0.0) > self._limits.kept_s
            if is_old or n_left > self._limits.n_kept or n_bytes > self._limits.max_kept_bytes:
                n_bytes -= job.n_bytes
                self._forget(job)

    def _forget(self, job: Job) -> None:
        self._jobs.pop(job.id, None)
        shutil.rmtree(job.folder, ignore_errors=True)


async def _stop(tasks: Sequence[asyncio.Task[None]]) -> None:
    """End what runs, and wait for it; what is being ended already is not interrupted in that."""
    for task in tasks:
        if not task.cancelling():
            task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _prepare(job: Job, order: Order) -> None:
    job.folder.mkdir(mode=0o700)
    order.write_inputs(job.folder)


def _hide(line: str, job: Job) -> str:
    """Without where the job's files lie on this machine."""
    return line.replace(f"{job.folder}/", "")


def _measure(job: Job, max_result_bytes: int) -> tuple[int, bool]:
    """The bytes of its files, and whether it printed a result that is whole."""
    n_bytes = sum(file.stat().st_size for file in job.folder.rglob("*") if file.is_file())
    printed = job.folder / RESULT
    if not printed.is_file() or not 0 < printed.stat().st_size <= max_result_bytes:
        return n_bytes, False
    try:
        msgspec.json.decode(printed.read_bytes(), type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return n_bytes, False
    return n_bytes, True
