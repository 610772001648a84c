"""``sluice decisions``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from sluice.cli.backtest import read_age
from sluice.cli.console import cell, emit, make_console, say
from sluice.cli.lines import number_lines, open_lines
from sluice.cli.options import KafkaOption
from sluice.cli.report import save_metrics, save_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table

    from sluice.human_decision import HumanDecision
    from sluice.people.overrules import OverruleFigures, Rate
    from sluice.people.topic import Gathered, Judged

app = typer.Typer(no_args_is_help=True, help="What people decide: publish it, and see what it says of the verdicts.")

SinceOption = Annotated[str, typer.Option(help="Those of the last 30m, 12h, 7d, 4w.")]
MAX_ROWS = 12


@app.command("publish")
def publish(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="One decision a line, as docs/decisions.md has it.")],
    kafka: KafkaOption = None,
) -> None:
    """Publish people's decisions. Nothing is published if a line is none.

    Example: echo '{"post_id": "p-1", "decision": "allow", "occasion": "appeal"}' | sluice decisions publish -
    """
    from sluice.client import DecisionPublisher
    from sluice.connection import find_connection
    from sluice.kafka import ensure_topics

    decisions = list(read_decisions(file))
    to = find_connection(kafka)
    ensure_topics(to.kafka, to.timeout_s, (to.kafka.topics.decisions,))
    publisher = DecisionPublisher(to.kafka)
    for decision in decisions:
        publisher.publish(decision)
    publisher.close()
    say(f"{len(decisions)} decisions: {to.kafka.topics.decisions}")


def read_decisions(name: str) -> Iterator[HumanDecision]:
    """The decisions of a file; a line that is none is a mistake of usage."""
    from sluice.human_decision import DecisionError, read_decision

    with open_lines(name) as file:
        for number, line in number_lines(file):
            try:
                yield read_decision(line)
            except DecisionError as error:
                raise typer.BadParameter(f"{name}:{number} is no decision: {error}") from error


@app.command("report")
def report(
    since: SinceOption = "4w",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write an HTML page as well.")] = None,
    limit: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit code 1 if more blocked, or allowed, posts are overruled.")
    ] = None,
    prometheus: Annotated[
        Path | None, typer.Option(help="Write the figures for node exporter's textfile collector.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as one JSON object on standard output.")] = False,
    kafka: KafkaOption = None,
) -> None:
    """How often people overrule verdicts: by decision, label, language, tenant and policy, with intervals.

    A limit is broken where even the lower end of the interval is above it, so that a few decisions break none.

    Example: sluice decisions report --since 7d -o decisions.html

    Example: sluice decisions report --since 7d --limit 0.1 --prometheus /var/lib/node_exporter/textfile/overruled.prom
    """
    import msgspec

    from sluice.people.overrules import count_overrules, write_metrics
    from sluice.people.page import write_overrules

    gathered = read_topics(kafka, since)
    figures = count_overrules(gathered.judged)
    if out is not None:
        save_page(write_overrules(figures), out)
        say(f"the page: {out}")
    if prometheus is not None:
        save_metrics(write_metrics(figures), prometheus)
    if as_json:
        emit(msgspec.json.encode(figures))
    else:
        show(figures)
    if limit is not None and figures.surely_overruled > limit:
        say(f"more than {limit:.1%} are overruled")
        raise typer.Exit(1)


def read_topics(kafka: str | None, since: str) -> Gathered:
    """Decisions and verdicts of Kafka; says what is left out."""
    from sluice.connection import find_connection
    from sluice.kafka import ensure_topics
    from sluice.people.topic import gather

    to = find_connection(kafka).recognised()
    ensure_topics(to.kafka, to.timeout_s, (to.kafka.topics.decisions, to.kafka.topics.verdicts))
    gathered = gather(to.kafka, time.time() - read_age(since), to.timeout_s)
    for n_posts, what in (
        (gathered.n_without_verdict, "decisions on posts without a verdict in this time"),
        (gathered.n_invalid, "messages that are no decisions"),
    ):
        if n_posts:
            say(f"left out: {n_posts} {what}")
    return gathered


def show(figures: OverruleFigures) -> None:
    """Tables for people, on standard error."""
    console = make_console()
    say(f"{figures.posts} posts with a verdict and a person's decision")
    for what, rates in (
        ("verdict", figures.by_decision),
        ("verdict, picked at random", figures.sampled),
        ("verdict, appealed", figures.appeals),
        ("flagged as", figures.wrongly_flagged),
        ("language", figures.by_language),
    ):
        if rates:
            console.print(_tabulate(what, rates))


def _tabulate(what: str, rates: Sequence[Rate]) -> Table:
    from rich.table import Table

    from sluice.people.page import HEADINGS, tell_rate

    table = Table(what, *HEADINGS)
    for rate in rates[:MAX_ROWS]:
        table.add_row(cell(rate.name), *tell_rate(rate))
    return table


@app.command("labels")
def labels(
    since: SinceOption = "4w",
    overruled: Annotated[
        bool, typer.Option("--overruled", help="Only posts on which people decided otherwise.")
    ] = False,
    texts: Annotated[
        bool, typer.Option("--texts", help="Add each post's text, from Kafka, as `sluice_models.adopt` takes it.")
    ] = False,
    kafka: KafkaOption = None,
) -> None:
    """Print what people decided as labels, one post a line, for `sluice calibrate` and for training.

    A post that is allowed has no label. A block that names no label is left out: it may be for any. With --texts the
    lines hold content; posts without a text, or that Kafka does not hold any more, are left out.

    Example: sluice decisions labels --overruled --texts > hard.jsonl
    """
    import msgspec

    from sluice.people.overrules import is_overruled

    found = [each for each in read_labels(kafka, since) if not overruled or is_overruled(each.judged)]
    for line in _with_texts(found, kafka) if texts else map(_line, found):
        emit(msgspec.json.encode(line))


def _with_texts(found: Sequence[LabelledPost], kafka: str | None) -> Iterator[Mapping[str, object]]:
    from sluice.connection import find_connection
    from sluice.people.texts import read_texts

    to = find_connection(kafka).recognised()
    texts = read_texts(to.kafka, {each.judged.post for each in found}, to.timeout_s)
    for each in found:
        if text := texts.get(each.judged.post):
            yield {**_line(each), "text": text}
    if n_without := sum(each.judged.post not in texts for each in found):
        say(f"left out: {n_without} posts without a text, or that are not in Kafka any more")


class LabelledPost(NamedTuple):
    """A post that people decided, and which labels it has."""

    judged: Judged
    labels: Mapping[str, int]


def read_labels(kafka: str | None, since: str) -> list[LabelledPost]:
    """What people decided as labels; says how many posts have none."""
    from sluice.human_decision import labels_of

    found = [(judged, labels_of(judged.decision)) for judged in read_topics(kafka, since).judged]
    if n_unknown := sum(known is None for _, known in found):
        say(f"left out: {n_unknown} blocked posts of which nobody said what they are")
    return [LabelledPost(judged, known) for judged, known in found if known is not None]


def _line(found: LabelledPost) -> Mapping[str, object]:
    tenant, post_id = found.judged.post
    return {"post_id": post_id, **({} if tenant is None else {"tenant": tenant}), "labels": found.labels}


def encode_labels(found: LabelledPost) -> bytes:
    """As `sluice calibrate` reads it."""
    import msgspec

    return msgspec.json.encode(_line(found))
