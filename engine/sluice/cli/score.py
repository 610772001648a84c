"""``sluice score``."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import (
    emit,
    ending_like_ctrl_c,
    has_terminal,
    make_console,
    make_progress,
    printable,
    say,
    wants_json,
)
from sluice.cli.lines import count_lines, open_lines
from sluice.cli.options import JsonOption, TritonOption

if TYPE_CHECKING:
    from sluice.cli.resume import PreviousOutcomes
    from sluice.cli.scoring import Scored
    from sluice.settings import Settings

PATIENCE_MS = 600_000
"""Deadline of each post: offline, a late verdict is better than half a one."""
MAX_WAITING_BYTES = 2**31
"""Of pages: as many as the posts in flight can have, so that none is given up."""
STEP = 32
"""The progress bar moves once in so many posts."""


def score(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="Posts, one JSON object a line.")],
    as_json: JsonOption = False,
    triton: TritonOption = None,
    policy: Annotated[Path | None, typer.Option(help="Decide by this policy file.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Write to OUT, behind what an earlier run has written there.")
    ] = None,
) -> None:
    """Score posts without Kafka, in order: one verdict per line, or {"dead_letter": …} for what is no post.

    Starts Triton unless --triton names one, and waits while it is away. Deadlines of posts are ignored, and the first
    stage clears nothing: all models read every text. A run that was ended goes on with --resume OUT: lines whose
    outcome is in OUT are not scored again.

    Example: sluice score posts.jsonl --json > verdicts.jsonl

    Example: sluice score posts.jsonl --resume verdicts.jsonl
    """
    from sluice.cli.resume import PreviousOutcomes, open_previous
    from sluice.cli.stacks import open_triton

    n_lines, settings = count_lines(file), offline_settings(policy)
    with ExitStack() as cleanup:
        cleanup.enter_context(ending_like_ctrl_c())
        opened = cleanup.enter_context(open_lines(file))
        previous, show = PreviousOutcomes(), _shower(wants_json(as_json))
        shares_rows = resume is None and (has_terminal() or not wants_json(as_json))
        if resume is not None:
            out, previous = open_previous(resume)
            show = _writer(cleanup.enter_context(out))
        address = cleanup.enter_context(open_triton(triton))
        work = ScoringJob(opened, n_lines, previous.has, show, shares_rows)
        n_done, elapsed_s = asyncio.run(score_all(with_triton(settings, address), work))
    if resume is not None:
        _say_previous(previous)
    say(f"{n_done} lines in {elapsed_s:.1f} s: {n_done / max(elapsed_s, 1e-9):.0f} posts/s")


@dataclasses.dataclass(frozen=True, slots=True)
class ScoringJob:
    """Lines to score, how many (None: nobody knows), which to skip, and what to do with each outcome.

    Attributes
    ----------
    shares_rows : bool
        Whether `show` prints where the progress bar would be.
    """

    file: FileIO
    n_lines: int | None
    skips: Callable[[int, bytes], bool]
    show: Callable[[Scored], None]
    shares_rows: bool = False


def _say_previous(previous: PreviousOutcomes) -> None:
    say(f"{previous.n_known} lines had their outcome already")
    if n_over := previous.n_lines - previous.n_known:
        say(f"{n_over} outcomes there belong to no line: written twice, or of other posts")


def offline_settings(policy: Path | None) -> Settings:
    """The environment's settings, with another policy if one is given, and patience; all models read every text.

    Raises
    ------
    SettingsError, PolicyError
        One is wrong: to be said before anything is waited for.
    """
    from sluice.settings import load_settings
    from sluice.verdict.policy_set import load_policies

    settings = load_settings(os.environ)
    path = policy or settings.policy_path
    load_policies(path)
    pipeline = dataclasses.replace(settings.pipeline, deadline_ms=PATIENCE_MS, max_deadline_ms=PATIENCE_MS)
    pages = dataclasses.replace(settings.picture_text, max_waiting_bytes=MAX_WAITING_BYTES)
    inference = dataclasses.replace(settings.inference, first_stage=False)  # scores are what is asked for
    return dataclasses.replace(settings, pipeline=pipeline, picture_text=pages, inference=inference, policy_path=path)


def with_triton(settings: Settings, triton: str) -> Settings:
    """The settings, with Triton at another address."""
    return dataclasses.replace(settings, inference=dataclasses.replace(settings.inference, triton=triton))


async def score_all(settings: Settings, work: ScoringJob) -> tuple[int, float]:
    """Score every line that is not skipped; returns how many there were and the seconds it took."""
    from prometheus_client import CollectorRegistry

    from sluice.cli.scoring import score_lines
    from sluice.metrics import Metrics
    from sluice.opening import open_pipeline

    n_done = 0
    with make_progress(make_console(), work.shares_rows) as progress:
        task = progress.add_task("scoring", total=work.n_lines)
        async with open_pipeline(settings, Metrics(CollectorRegistry())) as pipeline:
            gc.freeze()  # what is loaded by now stays: collections need not look at it again
            start_s = time.perf_counter()
            async for scored in score_lines(pipeline, work.file, skips=work.skips):
                work.show(scored)
                n_done += 1
                if n_done % STEP == 0:
                    progress.update(task, completed=n_done)
    return n_done, time.perf_counter() - start_s


def _writer(file: FileIO) -> Callable[[Scored], None]:
    """Appends each outcome in one piece: what is there after a crash are whole lines, but for the last."""

    def write(scored: Scored) -> None:
        line = memoryview(scored.as_json + b"\n")
        while line:
            line = line[file.write(line) or 0 :]

    return write


def _shower(as_json: bool) -> Callable[[Scored], None]:
    from sluice.cli.render import describe_verdict

    def show(scored: Scored) -> None:
        if as_json:
            emit(scored.as_json)
        elif scored.verdict is None:
            say(printable(f"line {scored.line}  dead letter  {scored.reason}"))
        else:
            say(describe_verdict(scored.verdict))

    return show
