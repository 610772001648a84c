"""``sluice demo``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import emit, ending_like_ctrl_c, make_console, make_progress, say
from sluice.cli.lines import STDIN, count_lines, number_lines, open_lines
from sluice.cli.options import BrokerChoice, BrokerOption, StackKafkaOption, TritonOption
from sluice.errors import PublishError, StackError

if TYPE_CHECKING:
    from rich.table import Table

    from sluice.cli.results import Results
    from sluice.client import WindowedPublisher
    from sluice.local.stack import Stack

N_IDLE_POSTS = 20
LATE_S = 0.5
"""How long to look for second outcomes after the last first one."""
MAX_ROWS = 60
"""Of the table; --json shows all."""
MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Source:
    """Lines to publish, how many (None: nobody knows yet), and what the samples among them are called."""

    lines: Iterable[tuple[int, bytes]]
    n_lines: int | None
    titles: dict[int, str] = field(default_factory=dict)


def demo(
    posts: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Publish these lines instead of the samples.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per outcome on standard output.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what came out as an HTML page to look at.")
    ] = None,
    broker: BrokerOption = BrokerChoice.embedded,
    kafka: StackKafkaOption = None,
    triton: TritonOption = None,
) -> None:
    """Start a broker, Triton and a worker, send posts through them, show what came out, and stop everything.

    Every line, malformed ones too, must get exactly one outcome: a verdict or a dead letter. Exit code 0 says so.

    Example: sluice demo

    Example: sluice demo --posts posts.jsonl --json > outcomes.jsonl
    """
    from sluice.cli.stacks import StackOptions, open_stack

    with ExitStack() as cleanup:
        cleanup.enter_context(ending_like_ctrl_c())
        source = cleanup.enter_context(_open_source(posts))
        stack = cleanup.enter_context(open_stack(StackOptions(broker, kafka, triton)))
        exchange = cleanup.enter_context(_open_exchange(stack))
        results = send(exchange, source, as_json)
        show(results, source, as_json)
        if results.problems:
            results.problems += _find_dead(stack)
        else:
            measure_idle(exchange)
    _report(results, posts, report)
    _conclude(results, source.n_lines or len(results.lines))


def _report(results: Results, posts: str | None, out: Path | None) -> None:
    """Write the page, or say how to get it."""
    if out is None:
        say("to look at it as a page: sluice demo --report report.html")
        return
    from sluice.cli.report import gather, read_posts, write_page

    summary = gather("outcomes", ((result.line, result.as_json) for result in results.ordered()), None)
    lines = (line for _, line in _sample_source().lines) if posts is None else read_posts(posts)
    write_page(summary, () if posts == STDIN else lines, out)


def _find_dead(stack: Stack) -> list[str]:
    """Which server of the stack has ended, if one has: the likely reason for what is missing."""
    try:
        stack.check()
    except StackError as error:
        return [str(error)]
    return []


@contextmanager
def _open_source(name: str | None) -> Iterator[Source]:
    if name is None:
        yield _sample_source()
        return
    n_lines = count_lines(name)
    with open_lines(name) as file:
        yield Source(number_lines(file), n_lines)


def _sample_source() -> Source:
    from sluice.cli.samples import make_samples

    samples = dict(enumerate(make_samples(), 1))
    lines = [(number, sample.line) for number, sample in samples.items()]
    return Source(lines, len(lines), {number: sample.title for number, sample in samples.items()})


@contextmanager
def _open_exchange(stack: Stack) -> Iterator[WindowedPublisher]:
    from sluice.client import Outcomes, Publisher, WindowedPublisher
    from sluice.media.store import open_store

    store = open_store(str(stack.config.media_store))
    with Outcomes(stack.kafka) as outcomes, Publisher(stack.kafka, store) as publisher:
        publisher.connect()
        yield WindowedPublisher(publisher, outcomes)


def send(exchange: WindowedPublisher, source: Source, as_json: bool) -> Results:
    """Publish the lines and collect their outcomes; with `as_json`, print each as soon as those before it are there."""
    from sluice.cli.results import Results

    results = Results()
    with make_progress(make_console()) as progress:
        task = progress.add_task("moderating", total=source.n_lines)
        try:
            for settled in exchange.exchange(_note(source.lines, results)):
                results.take(settled)
                progress.update(task, completed=len(results.found))
                _emit_next(results, as_json)
        except PublishError as error:
            results.problems.append(str(error))
    for settled in exchange.settle_late(LATE_S):
        results.take(settled)
    return results


def _note(lines: Iterable[tuple[int, bytes]], results: Results) -> Iterator[bytes]:
    for number, line in lines:
        results.lines.append(number)
        yield line


def _emit_next(results: Results, as_json: bool) -> None:
    for result in results.release():
        if as_json:
            emit(result.as_json)


def show(results: Results, source: Source, as_json: bool) -> None:
    """Print the table, unless there was JSON, and the latencies."""
    from sluice.cli import render

    console = make_console()
    if not as_json:
        console.print(_make_table(results, source.titles))
    stages = render.collect_stages(results.verdicts())
    stages["end to end"] = [result.elapsed_s * 1000 for result in results.ordered()]
    console.print(render.make_latency_table(stages))


def _make_table(results: Results, titles: dict[int, str]) -> Table:
    from sluice.cli import render

    table = render.make_outcome_table()
    ordered = results.ordered()
    for result in ordered[:MAX_ROWS]:
        if result.verdict is None:
            render.add_dead_letter(table, titles.get(result.line, f"line {result.line}"), result.reason)
        else:
            render.add_verdict(table, titles.get(result.line, result.verdict.post_id), result.verdict)
    if len(ordered) > MAX_ROWS:
        table.caption = f"and {len(ordered) - MAX_ROWS} more; --json shows all"
    return table


def measure_idle(exchange: WindowedPublisher) -> None:
    """Send a few short texts one at a time and print how long each took to come back."""
    from sluice.cli.render import percentile
    from sluice.schema import Post, encode

    elapsed_ms: list[float] = []
    for number in range(N_IDLE_POSTS):
        post = encode(Post(id=f"idle-{number}", text=f"Good morning number {number}, how are you today?"))
        elapsed_ms += [settled.elapsed_s * 1000 for settled in exchange.exchange([post])]
    p50, p99 = percentile(elapsed_ms, 0.5), percentile(elapsed_ms, 0.99)
    say(f"one text post at a time, publish to verdict: p50 {p50:.1f} ms, p99 {p99:.1f} ms ({len(elapsed_ms)} posts)")


def _conclude(results: Results, n_lines: int) -> None:
    """Say whether every line got exactly one outcome; the exit code says the same."""
    n_verdicts, n_found = len(results.verdicts()), len(results.found)
    say(f"{n_lines} lines: {n_verdicts} verdicts, {n_found - n_verdicts} dead letters, {n_lines - n_found} missing")
    if missing := results.find_missing():
        more = " …" if len(missing) > MAX_PROBLEMS else ""
        say("no outcome for lines " + ", ".join(map(str, missing[:MAX_PROBLEMS])) + more)
    for problem in results.problems[:MAX_PROBLEMS]:
        say(f"sluice: {problem}")
    if results.problems or n_found != n_lines:
        raise typer.Exit(1)
