"""``sluice backtest``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.ages import parse_age
from sluice.cli.console import cell, emit, make_console, make_progress, say
from sluice.cli.lines import number_lines, open_lines
from sluice.cli.options import KafkaOption, TritonOption
from sluice.cli.report import read_posts, save_page

if TYPE_CHECKING:
    from rich.table import Table

    from sluice.backtest.changes import Changes, Retrial
    from sluice.backtest.figures import BacktestFigures, GroupFigure
    from sluice.backtest.guards import Guard
    from sluice.schema import Verdict

MAX_ROWS = 12


def backtest(
    policy: Annotated[Path, typer.Option(help="The policy to try: a file, or a folder of them.")],
    verdicts: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Outcomes from a file, and not from Kafka.")
    ] = None,
    since: Annotated[str, typer.Option(help="Of Kafka's verdicts, those of the last 30m, 12h, 7d, 4w.")] = "7d",
    guard: Annotated[
        list[str] | None, typer.Option(help="What must not be, such as review=+1% or changed=2%; may be repeated.")
    ] = None,
    posts: Annotated[
        str | None, typer.Option(metavar="FILE", help="The posts, for the page and for --rescore.")
    ] = None,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Score those of --posts anew: the models are tried as well.")
    ] = False,
    triton: TritonOption = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write an HTML page as well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as one JSON object on standard output.")] = False,
    kafka: KafkaOption = None,
) -> None:
    """Try a policy on posts that are scored: what would be decided otherwise, by label, language and tenant.

    Nothing is scored anew, unless --rescore says so, and nothing changes. Exit code 1 if a guard is broken.

    Example: sluice backtest --policy new.yaml --since 7d --guard review=+1% --guard block=+0%

    Example: sluice backtest --policy new.yaml --verdicts verdicts.jsonl -o backtest.html

    Example: sluice backtest --policy new.yaml --rescore --posts posts.jsonl --triton candidate:8001
    """
    from sluice.backtest.changes import Retrial
    from sluice.cli.rescoring import rescore as score_anew
    from sluice.verdict.policy_set import load_policies

    guards = tuple(map(read_guard, guard or ()))
    since_s = time.time() - read_age(since)
    retrial = Retrial(load_policies(policy))
    found = read_file(verdicts) if verdicts is not None else read_topic(kafka, since_s)
    if rescore:
        score_anew(found, posts, retrial, policy, triton)
    else:
        _try_all(retrial, found)
    tell(retrial.changes, retrial.policies.names, guards, posts, out, as_json)


def _try_all(retrial: Retrial, found: Iterable[Verdict]) -> None:
    with make_progress(make_console()) as progress:
        for verdict in progress.track(found, total=None, description="verdicts"):
            retrial.add(verdict)


def tell(
    changes: Changes,
    names: tuple[str, ...],
    guards: tuple[Guard, ...],
    posts: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Show the figures, and write the page if there is to be one; exit code 1 if a guard is broken."""
    import msgspec

    from sluice.backtest.figures import make_figures

    figures = make_figures(changes, names, guards)
    if out is not None:
        write_page(figures, changes, posts, out)
    if as_json:
        emit(msgspec.json.encode(figures))
    else:
        show(figures)
    if guards and not figures.posts:
        say("no post to hold the guards against")
    if figures.is_broken or (guards and not figures.posts):
        raise typer.Exit(1)


def read_guard(text: str) -> Guard:
    """A limit; one that is none is a mistake of usage."""
    from sluice.backtest.guards import parse_guard

    try:
        return parse_guard(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--guard") from error


def read_age(text: str, option: str = "--since") -> float:
    """Seconds, such as 604800 for ``7d``; anything else is a mistake in the use of an option."""
    try:
        return parse_age(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def read_file(name: str) -> Iterator[Verdict]:
    """The verdicts of a file; dead letters are passed over, and a line that is neither is a mistake of usage."""
    import msgspec

    from sluice.report.gathering import read_outcome
    from sluice.schema import Verdict

    with open_lines(name) as file:
        for number, line in number_lines(file):
            try:
                outcome = read_outcome(line)
            except msgspec.DecodeError as error:
                raise typer.BadParameter(f"{name}:{number} is neither a verdict nor a dead letter: {error}") from error
            if isinstance(outcome, Verdict):
                yield outcome


def read_topic(kafka: str | None, since_s: float) -> Iterator[Verdict]:
    """The verdicts that Kafka holds, from a time on, in seconds since 1970."""
    from sluice.cli.verdicts import decode
    from sluice.client import Outcomes
    from sluice.connection import find_connection

    to = find_connection(kafka).recognised()
    with closing(Outcomes(to.kafka, since_s=since_s, kinds=("verdict",), timeout_s=to.timeout_s)) as outcomes:
        for _, verdict in decode(outcomes.read_to_end()):
            yield verdict


def write_page(figures: BacktestFigures, changes: Changes, posts: str | None, out: Path) -> None:
    """Write the page, with what is known of the posts that change most."""
    from sluice.backtest.page import write_backtest
    from sluice.report.posts import pick_posts

    examples = changes.examples()
    wanted = {example.verdict.post_id for example in examples}
    save_page(write_backtest(figures, examples, pick_posts(read_posts(posts), wanted)), out)
    say(f"the page: {out}")


def show(figures: BacktestFigures) -> None:
    """Tables for people, on standard error."""
    console = make_console()
    say(f"{figures.posts} posts decided anew by {', '.join(figures.policies)}; {figures.changed} change")
    for table in (_decisions(figures), _groups("label", figures.by_label), _groups("language", figures.by_language)):
        console.print(table)
    if len(figures.by_tenant) > 1:
        console.print(_groups("tenant", figures.by_tenant))
    for said in _notes(figures):
        say(said)


def _decisions(figures: BacktestFigures) -> Table:
    from rich.table import Table

    table = Table("decision", "posts", "share", "95 % interval")
    for each in figures.turns:
        name = each.was if each.was == each.would_be else f"{each.was} -> {each.would_be}"
        table.add_row(name, f"{each.posts:,}", f"{each.share:.2%}", f"{each.low:.2%} to {each.high:.2%}")
    return table


def _groups(what: str, groups: Iterable[GroupFigure]) -> Table:
    from rich.table import Table

    table = Table(what, "posts", "changed", "95 % interval", "what")
    for each in list(groups)[:MAX_ROWS]:
        turns = ", ".join(f"{turn.replace('>', ' -> ')} {n:,}" for turn, n in each.turns.items())
        table.add_row(
            cell(each.name), f"{each.posts:,}", f"{each.share:.2%}", f"{each.low:.2%} to {each.high:.2%}", turns
        )
    return table


def _notes(figures: BacktestFigures) -> Iterator[str]:
    if figures.repeated:
        yield f"{figures.repeated} repeated verdicts are left out"
    if figures.without_basis:
        yield f"{figures.without_basis} verdicts are of an earlier version: rules and image limits may decide otherwise"
    if figures.cleared:
        yield f"{figures.cleared} posts were cleared by the first stage: too few of them reach lower thresholds"
    if figures.failed_rules:
        yield f"a rule failed on {figures.failed_rules} posts"
    for each in figures.guards:
        measured = "there was none before" if each.measured is None else f"measured {each.measured:+.2f}%"
        yield f"guard {each.guard}: {'broken' if each.broken else 'kept'}, {measured}"
