"""``sluice demo``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import ending_like_ctrl_c, say
from sluice.cli.lines import STDIN, count_lines, number_lines, open_lines
from sluice.cli.options import BrokerChoice, BrokerOption, StackKafkaOption, TritonOption
from sluice.cli.sending import Source, conclude, send, show
from sluice.errors import StackError

if TYPE_CHECKING:
    from sluice.cli.results import Results
    from sluice.client import WindowedPublisher
    from sluice.local.stack import Stack

N_IDLE_POSTS = 20


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
    conclude(results, source.n_lines or len(results.lines))


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
