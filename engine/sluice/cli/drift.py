"""``sluice drift``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.backtest import read_age
from sluice.cli.console import cell, emit, make_console, say
from sluice.cli.options import KafkaOption
from sluice.cli.report import save_metrics, save_page

if TYPE_CHECKING:
    from sluice.people.drift import DriftFigures, Population


def drift(
    last: Annotated[str, typer.Option("--last", help="The posts of the last 12h, 7d, …")] = "7d",
    against: Annotated[str, typer.Option(help="Held against those of so long before.")] = "4w",
    limit: Annotated[
        float | None, typer.Option(min=0, help="Exit code 1 if an index is larger; 0.25 is a large change.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write an HTML page as well.")] = None,
    prometheus: Annotated[
        Path | None, typer.Option(help="Write the figures for node exporter's textfile collector.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as one JSON object on standard output.")] = False,
    kafka: KafkaOption = None,
) -> None:
    """Whether posts are still like those of before: stability of every label's scores, decisions and languages.

    Population stability index: below 0.1 nothing has changed to speak of, from 0.25 on a lot has. With fewer than 500
    posts in a window nothing is concluded, and no limit is broken.

    Example: sluice drift --last 7d --against 4w --limit 0.25 -o drift.html
    """
    import msgspec

    from sluice.people.drift import write_metrics
    from sluice.people.page import write_drift

    figures = _read_population(kafka, read_age(last, "--last"), read_age(against, "--against")).compare()
    if out is not None:
        save_page(write_drift(figures), out)
        say(f"the page: {out}")
    if prometheus is not None:
        save_metrics(write_metrics(figures), prometheus)
    if as_json:
        emit(msgspec.json.encode(figures))
    else:
        _show(figures)
    if limit is not None and figures.enough and figures.largest > limit:
        raise typer.Exit(1)


def _read_population(kafka: str | None, last_s: float, against_s: float) -> Population:
    """Counts of the verdicts before, by week, and of the last ones."""
    import msgspec

    from sluice.client import open_topic
    from sluice.connection import find_connection
    from sluice.people.drift import Population

    to, begins_s = find_connection(kafka).recognised(), time.time() - last_s
    population, n_wrong = Population(begins_s), 0
    with open_topic(to.kafka, to.kafka.topics.verdicts, begins_s - against_s, to.timeout_s) as outcomes:
        for outcome in outcomes.read_to_end():
            try:
                population.add(outcome.verdict(), outcome.timestamp_s)
            except msgspec.DecodeError:
                n_wrong += 1
    if n_wrong:
        say(f"left out: {n_wrong} messages that are no verdicts")
    return population


def _show(figures: DriftFigures) -> None:
    """A table for people, on standard error."""
    from rich.table import Table

    from sluice.people.drift import MIN_POSTS
    from sluice.people.page import tell_week

    table = Table("what", "index", "change")
    for each in figures.figures:
        table.add_row(each.what, f"{each.index:.3f}", each.size)
    make_console().print(table)
    weeks = Table("from", "posts", "decisions", "languages", "moved most")
    for week in figures.weeks:
        weeks.add_row(*map(cell, tell_week(week)))
    make_console().print(weeks)
    say(f"{figures.posts_now} posts, held against {figures.posts_before} before")
    if not figures.enough:
        say(f"too few to conclude anything: {MIN_POSTS} are needed on each side")
