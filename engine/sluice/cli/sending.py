"""Posts sent and their outcomes shown, in the order of the posts: what ``demo`` and ``publish --wait`` share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import typer

from sluice.cli.console import emit, has_terminal, make_console, make_progress, say
from sluice.errors import InvalidPost, PublishError

if TYPE_CHECKING:
    from rich.table import Table

    from sluice.cli.results import Results
    from sluice.client import WindowedPublisher

LATE_S = 0.5
"""How long to look for second outcomes after the last first one."""
MAX_ROWS = 60
"""Of the table; --json shows all."""
MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Source:
    """Lines to publish.

    Attributes
    ----------
    n_lines : int or None
        How many there are; None where nobody knows yet.
    titles : dict of int to str
        What to call lines that have a name.
    texts : dict of int to str
        The texts of the first `MAX_ROWS` lines, for the table, once they are sent.
    """

    lines: Iterable[tuple[int, bytes]]
    n_lines: int | None
    titles: dict[int, str] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)


def send(exchange: WindowedPublisher, source: Source, as_json: bool, what: str = "moderating") -> Results:
    """Publish the lines and collect their outcomes; with `as_json`, print each as soon as those before it are there."""
    from sluice.cli.results import Results

    results = Results()
    with make_progress(make_console(), as_json and has_terminal()) as progress:
        task = progress.add_task(what, total=source.n_lines)
        try:
            for settled in exchange.exchange(_note(source, results)):
                results.take(settled)
                progress.update(task, completed=len(results.found))
                _emit_next(results, as_json)
        except PublishError as error:
            results.problems.append(str(error))
    for settled in exchange.settle_late(LATE_S):
        results.take(settled)
    return results


def _note(source: Source, results: Results) -> Iterator[bytes]:
    for number, line in source.lines:
        results.lines.append(number)
        if len(results.lines) <= MAX_ROWS and (text := _read_text(line)):
            source.texts[number] = text
        yield line


def _read_text(line: bytes) -> str | None:
    from sluice.schema import decode_post

    try:
        return decode_post(line).text
    except InvalidPost:
        return None


def _emit_next(results: Results, as_json: bool) -> None:
    for result in results.release():
        if as_json:
            emit(result.as_json)


def show(results: Results, source: Source, as_json: bool) -> None:
    """Print the table, unless there was JSON, and the latencies."""
    from sluice.cli import render

    console = make_console()
    if not as_json:
        console.print(make_table(results, source))
    stages = render.collect_stages(results.verdicts())
    stages["end to end"] = [result.elapsed_s * 1000 for result in results.ordered()]
    console.print(render.make_latency_table(stages))


def make_table(results: Results, source: Source) -> Table:
    """The first outcomes, in the order of the lines."""
    from sluice.cli import render

    table = render.make_outcome_table()
    ordered = results.ordered()
    for result in ordered[:MAX_ROWS]:
        if result.verdict is None:
            render.add_dead_letter(table, source.titles.get(result.line, f"line {result.line}"), result.reason)
        else:
            title = source.titles.get(result.line, result.verdict.post_id)
            render.add_verdict(table, title, result.verdict, source.texts.get(result.line))
    if len(ordered) > MAX_ROWS:
        table.caption = f"and {len(ordered) - MAX_ROWS} more; --json shows all"
    return table


def conclude(results: Results, n_lines: int) -> None:
    """Say whether every line got exactly one outcome; the exit code says the same."""
    n_verdicts, n_found = len(results.verdicts()), len(results.found)
    say(f"{n_lines} lines: {n_verdicts} verdicts, {n_found - n_verdicts} dead letters, {n_lines - n_found} missing")
    if missing := results.find_missing():
        more = " ..." if len(missing) > MAX_PROBLEMS else ""
        say("no outcome for lines " + ", ".join(map(str, missing[:MAX_PROBLEMS])) + more)
    for problem in results.problems[:MAX_PROBLEMS]:
        say(f"sluice: {problem}")
    if results.problems or n_found != n_lines:
        raise typer.Exit(1)
