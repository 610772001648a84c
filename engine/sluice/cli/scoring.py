"""Many posts through a pipeline at once, their verdicts in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from io import FileIO
from typing import Protocol

import msgspec
import tenacity

from sluice.cli.lines import Lines, read_batches
from sluice.cli.results import write_dead_letter
from sluice.errors import InferenceUnavailable, InvalidPost
from sluice.schema import Post, Verdict, decode_post, encode

N_IN_FLIGHT = 512
"""Enough that the classifier always has a full batch waiting, of texts of like length: twice as many gain nothing."""
N_MEDIA_IN_FLIGHT = 16
"""Posts with pictures or clips among them: those that wait hold what was decoded, and more at once gain nothing."""
N_BATCHES_AHEAD = 2
OUTAGE_S = 600.0
"""How long a model may be away before the command fails."""

Skips = Callable[[int, bytes], bool]


class Scorer(Protocol):
    """The part of the pipeline that is needed here."""

    async def score(self, post: Post, published_at: float | None = None) -> Verdict:
        """Score one post."""
        ...

    async def recovered(self, model: str) -> None:
        """Return once a model that was away answers."""
        ...


@dataclass(frozen=True, slots=True)
class Scored:
    """One line and what came of it: a verdict, or the reason why it is a dead letter."""

    line: int
    verdict: Verdict | None
    as_json: bytes
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Job:
    """What scores the posts, and how many with media it has room for."""

    scorer: Scorer
    media_room: asyncio.Semaphore


Pending = asyncio.Queue[asyncio.Task[Scored] | None]


def take_all(number: int, line: bytes) -> bool:
    """Skip no line."""
    return False


async def score_lines(
    scorer: Scorer, file: FileIO, n_in_flight: int = N_IN_FLIGHT, skips: Skips = take_all
) -> AsyncIterator[Scored]:
    """Score the lines of a file as they come in; an outage is waited out.

    Parameters
    ----------
    skips : callable
        Number and line → whether to leave it out.

    Yields
    ------
    Scored
        One per line that is neither empty nor skipped, in the order of the lines.

    Raises
    ------
    InferenceUnavailable
        A model was away for `OUTAGE_S`.
    """
    pending: Pending = asyncio.Queue(n_in_flight)
    job = _Job(scorer, asyncio.Semaphore(N_MEDIA_IN_FLIGHT))
    feeder = asyncio.create_task(_feed(job, file, pending, skips))
    try:
        while (task := await pending.get()) is not None:
            yield await task
        await feeder
    finally:
        feeder.cancel()
        while not pending.empty():
            if (task := pending.get_nowait()) is not None:
                task.cancel()


async def _feed(job: _Job, file: FileIO, pending: Pending, skips: Skips) -> None:
    """Start a task per line, as many as `pending` has room for."""
    try:
        async for batch in _read(file):
            for number, line in batch:
                if not skips(number, line):
                    await pending.put(asyncio.create_task(_score(job, number, line)))
    finally:
        await pending.put(None)


async def _read(file: FileIO) -> AsyncIterator[Lines]:
    """Batches of lines, read in a thread, since a pipe may make us wait.

    The thread is a daemon: nobody can wake one that waits for input, and it must not hold up Ctrl-C.
    """
    batches: asyncio.Queue[Lines | Exception | None] = asyncio.Queue(N_BATCHES_AHEAD)
    loop = asyncio.get_running_loop()
    threading.Thread(target=_pump, args=(read_batches(file), batches, loop), daemon=True).start()
    while (batch := await batches.get()) is not None:
        if isinstance(batch, Exception):
            raise batch
        yield batch


def _pump(
    lines: Iterator[Lines], batches: asyncio.Queue[Lines | Exception | None], loop: asyncio.AbstractEventLoop
) -> None:
    def put(batch: Lines | Exception | None) -> None:
        putting = batches.put(batch)
        try:
            asyncio.run_coroutine_threadsafe(putting, loop).result()
        finally:
            putting.close()  # if the loop has ended, nobody runs it

    with suppress(CancelledError, RuntimeError, ValueError):  # the loop has ended or the file is closed: nobody reads
        try:
            for batch in lines:
                put(batch)
            put(None)
        except OSError as error:
            put(error)


async def _score(job: _Job, number: int, line: bytes) -> Scored:
    try:
        post = decode_post(line)
    except InvalidPost as error:
        letter = {"reason": error.reason, "detail": error.detail, "key": None, "source": None, "line": number}
        return Scored(number, None, write_dead_letter(letter), f"{error.reason}: {error.detail}")
    if post.deadline_ms is not None:  # a promise to a live publisher; nobody waits for this one
        post = msgspec.structs.replace(post, deadline_ms=None)
    async with job.media_room if post.images or post.audio else nullcontext():
        verdict = await _score_through_outages(job.scorer, post)
    return Scored(number, verdict, encode(verdict))


async def _score_through_outages(scorer: Scorer, post: Post) -> Verdict:
    """Score until the models answer: each time anew."""

    async def wait(failed: tenacity.RetryCallState) -> None:
        error = failed.outcome.exception() if failed.outcome else None
        try:
            await asyncio.wait_for(scorer.recovered(getattr(error, "model", "")), OUTAGE_S)
        except TimeoutError:
            raise error or InferenceUnavailable("Triton is away") from None

    attempts = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(InferenceUnavailable),
        before_sleep=wait,
        wait=tenacity.wait_random_exponential(multiplier=0.05, max=1.0),  # not all in one moment
    )
    return await attempts(scorer.score, post)
