"""Scores posts anew for a backtest: what the models of today say of them, beside the verdicts that they have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sluice.cli.console import ending_like_ctrl_c, say
from sluice.cli.lines import STDIN, count_lines, number_lines, open_lines

if TYPE_CHECKING:
    from sluice.backtest.changes import Retrial
    from sluice.cli.scoring import Scored
    from sluice.schema import PostKey, Verdict


def rescore(found: Iterable[Verdict], posts: str | None, retrial: Retrial, policy: Path, triton: str | None) -> None:
    """Score the posts of a file that have a verdict, and note what the policies say of the new scores.

    Raises
    ------
    SettingsError, PolicyError, InferenceUnavailable
        See `sluice score`.
    """
    from sluice.cli.score import ScoringJob, offline_settings, score_all, with_triton
    from sluice.cli.stacks import open_triton

    if posts is None or posts == STDIN:
        raise typer.BadParameter("--rescore reads the posts from a file: name it with --posts")
    settings, wanted = offline_settings(policy), _keys_of(posts)
    there = _first_verdicts(found, wanted)
    say(f"{len(there)} of {len(wanted)} posts have a verdict, and are scored anew")
    with ExitStack() as cleanup:
        cleanup.enter_context(ending_like_ctrl_c())
        file = cleanup.enter_context(open_lines(posts))
        address = cleanup.enter_context(open_triton(triton))
        work = ScoringJob(file, count_lines(posts), lambda _, line: _key_of(line) not in there, _noting(retrial, there))
        asyncio.run(score_all(with_triton(settings, address), work))


def _keys_of(posts: str) -> set[PostKey]:
    with open_lines(posts) as file:
        keys = {_key_of(line) for _, line in number_lines(file)}
    return {key for key in keys if key is not None}


def _key_of(line: bytes) -> PostKey | None:
    """Whose post a line is; None for one that is none."""
    from sluice.errors import InvalidPost
    from sluice.schema import decode_post

    try:
        post = decode_post(line)
    except InvalidPost:
        return None
    return post.tenant, post.id


def _first_verdicts(found: Iterable[Verdict], wanted: set[PostKey]) -> dict[PostKey | None, Verdict]:
    first: dict[PostKey | None, Verdict] = {}
    for verdict in found:
        key = verdict.tenant, verdict.post_id
        if key in wanted:
            first.setdefault(key, verdict)
    return first


def _noting(retrial: Retrial, there: dict[PostKey | None, Verdict]) -> Callable[[Scored], None]:
    def note(scored: Scored) -> None:
        if scored.verdict is not None:
            retrial.add_anew(there[scored.verdict.tenant, scored.verdict.post_id], scored.verdict)

    return note
