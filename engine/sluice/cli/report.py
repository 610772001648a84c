"""``sluice report``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import say
from sluice.cli.lines import number_lines, open_lines

if TYPE_CHECKING:
    from sluice.report.gathering import Summary


def report(
    verdicts: Annotated[
        str, typer.Argument(metavar="FILE|-", help="Outcomes, as sluice score, verdicts and demo write them.")
    ],
    posts: Annotated[
        str | None, typer.Option(metavar="FILE", help="The posts; without them the report does not show what they say.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file to write.")] = Path("report.html"),
    policy: Annotated[
        Path | None, typer.Option(help="Draw this policy's thresholds, and find what is near to them.")
    ] = None,
) -> None:
    """Write verdicts as one HTML file to look at.

    Decisions by label and language, scores, the most certain and the borderline posts, latency.

    The file loads nothing and runs nothing. With --posts it holds what people posted.

    Example: sluice score posts.jsonl --json > verdicts.jsonl && sluice report verdicts.jsonl --posts posts.jsonl
    """
    with open_lines(verdicts) as file:
        summary = gather(verdicts, number_lines(file), policy)
    write_page(summary, read_posts(posts), out)


def gather(source: str, outcomes: Iterable[tuple[int, bytes]], policy: Path | None) -> Summary:
    """Count numbered outcomes; a line that is none is a mistake of usage, and its number is named.

    Raises
    ------
    PolicyError
        The policy file is wrong.
    """
    import msgspec

    from sluice.report.gathering import Summary
    from sluice.resources import default_policy
    from sluice.verdict.documents import load_policy

    summary = Summary(load_policy(policy or default_policy()))
    for number, line in outcomes:
        try:
            summary.add(line)
        except msgspec.DecodeError as error:
            raise typer.BadParameter(f"{source}:{number} is neither a verdict nor a dead letter: {error}") from error
    return summary


def write_page(summary: Summary, posts: Iterable[bytes], out: Path) -> None:
    """Write the report, with what is shown of the posts."""
    from sluice.report.page import write_report
    from sluice.report.posts import pick_posts

    save_page(write_report(summary, pick_posts(posts, summary.shown_ids())), out)
    say(f"{summary.n_verdicts} verdicts, {summary.dead_letters.total()} dead letters: {out}")


def save_page(page: str, out: Path) -> None:
    """Write an HTML file; one that cannot be written is a mistake of usage."""
    try:
        out.write_text(page, "utf-8")
    except OSError as error:
        raise typer.BadParameter(f"cannot write {out}: {error.strerror}", param_hint="--out") from error


def save_metrics(text: str, out: Path) -> None:
    """Write a file for node exporter in one step, as it must not read half of it; see `save_page`."""
    try:
        beside = out.with_name(f".{out.name}.new")
        beside.write_text(text)
        beside.replace(out)
    except OSError as error:
        raise typer.BadParameter(f"cannot write {out}: {error.strerror}", param_hint="--prometheus") from error


def read_posts(name: str | None) -> Iterator[bytes]:
    """The lines of a file of posts; none without one."""
    if name is None:
        return
    with open_lines(name) as file:
        for _, line in number_lines(file):
            yield line
