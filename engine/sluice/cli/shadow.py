"""``sluice shadow``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.backtest import read_age, read_guard, tell
from sluice.cli.console import ending_like_ctrl_c, say
from sluice.cli.options import KafkaOption
from sluice.cli.worker_log import LogFormat, log_to_standard_error

if TYPE_CHECKING:
    from sluice.backtest.changes import Changes
    from sluice.connection import Connection
    from sluice.shadow.pairs import Pairs
    from sluice.shadow.sources import Compared

IsOver = Callable[[], bool]
OpenSource = Callable[["Connection", float | None, IsOver, ExitStack], Iterator["Compared"]]
WHICH = "give either --policy, or the --verdicts-topic that a second worker writes"


def shadow(
    policy: Annotated[Path | None, typer.Option(help="Policies to judge by as well: a file, or a folder.")] = None,
    verdicts_topic: Annotated[
        str | None, typer.Option(help="Verdicts of a second worker, with other models, to compare with the live ones.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Begin with the verdicts of the last 30m, 12h, 7d, 4w.")] = None,
    last: Annotated[
        str | None, typer.Option("--for", help="End after 10m, 12h, 7d, and after --since is read; else at Ctrl-C.")
    ] = None,
    guard: Annotated[
        list[str] | None, typer.Option(help="What must not be, such as review=+1% or changed=2%; may be repeated.")
    ] = None,
    posts: Annotated[str | None, typer.Option(metavar="FILE", help="The posts, for the page.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write an HTML page at the end.")] = None,
    metrics_port: Annotated[int, typer.Option(min=0, max=65535, help="Serve metrics here; 0 serves none.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as one JSON object on standard output.")] = False,
    kafka: KafkaOption = None,
) -> None:
    """Judge live posts a second time, by other policies or other models, and compare. Nothing is put in force.

    Each comparison goes to the topic moderation.shadow. With --policy nothing is scored anew: the live scores are
    decided on once more. The figures of sluice backtest come at the end, or at Ctrl-C. Exit code 1: a guard is broken.

    Example: sluice shadow --policy new.yaml --for 1h --guard review=+1% -o shadow.html

    Example: sluice shadow --verdicts-topic candidate.verdicts --metrics-port 9110
    """
    if (policy is None) == (verdicts_topic is None):
        raise typer.BadParameter(WHICH)
    guards = tuple(map(read_guard, guard or ()))
    since_s = None if since is None else time.time() - read_age(since)
    ends_at = time.monotonic() + (read_age(last, "--for") if last else float("inf"))
    names, open_source = _by_policy(policy) if policy else _by_topic(str(verdicts_topic))
    log_to_standard_error(LogFormat.text)
    to = _connect(kafka)
    with ExitStack() as cleanup:
        compared = open_source(to, since_s, lambda: time.monotonic() >= ends_at, cleanup)
        changes = _compare(to, compared, metrics_port)
    tell(changes, names, guards, posts, out, as_json)


def _connect(kafka: str | None) -> Connection:
    """Where Kafka is; with the topics that are needed."""
    from sluice.connection import find_connection
    from sluice.kafka import ensure_topics

    to = find_connection(kafka).recognised()
    ensure_topics(to.kafka, to.timeout_s, (to.kafka.topics.verdicts, to.kafka.topics.shadow))
    return to


def _by_policy(path: Path) -> tuple[tuple[str, ...], OpenSource]:
    """Live verdicts, decided on once more."""
    from sluice.client import open_topic
    from sluice.shadow.sources import judge_again
    from sluice.verdict.policy_set import load_policies

    policies = load_policies(path)

    def open_source(to: Connection, since_s: float | None, is_over: IsOver, cleanup: ExitStack) -> Iterator[Compared]:
        live = cleanup.enter_context(open_topic(to.kafka, to.kafka.topics.verdicts, since_s, to.timeout_s))
        return judge_again(live, policies, is_over)

    return policies.names, open_source


def _by_topic(topic: str) -> tuple[tuple[str, ...], OpenSource]:
    """Live verdicts beside those of a second worker."""
    from sluice.client import open_topic
    from sluice.shadow.pairs import Pairs
    from sluice.shadow.sources import pair_up

    def open_source(to: Connection, since_s: float | None, is_over: IsOver, cleanup: ExitStack) -> Iterator[Compared]:
        live, other = (
            cleanup.enter_context(open_topic(to.kafka, name, since_s, to.timeout_s))
            for name in (to.kafka.topics.verdicts, topic)
        )
        pairs = Pairs()
        cleanup.callback(_tell_unmatched, pairs)
        return pair_up(live, other, pairs, is_over)

    return (topic,), open_source


def _tell_unmatched(pairs: Pairs) -> None:
    if pairs.n_unmatched:
        say(f"{pairs.n_unmatched} verdicts met no counterpart")


def _compare(to: Connection, compared: Iterator[Compared], metrics_port: int) -> Changes:
    """Compare until the source ends, or somebody ends the command."""
    from prometheus_client import CollectorRegistry, start_http_server

    from sluice.shadow.run import Comparison, ShadowMetrics

    registry = CollectorRegistry()
    if metrics_port:
        start_http_server(metrics_port, registry=registry)
    with ending_like_ctrl_c(), Comparison(to.kafka, ShadowMetrics(registry)) as comparison:
        say(f"comparing verdicts of {to.kafka.topics.verdicts}; Ctrl-C ends it")
        try:
            comparison.run(compared)
        except KeyboardInterrupt:
            say("ended")
        return comparison.changes
