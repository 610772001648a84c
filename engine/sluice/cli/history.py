"""``sluice history``."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import emit, make_console, wants_json
from sluice.cli.options import JsonOption, KafkaOption

if TYPE_CHECKING:
    from sluice.schema import AuthorHistory

app = typer.Typer(no_args_is_help=True, help="What authors did before.")


@app.callback()
def prepare() -> None:
    """Keep `show` a command of its own, although there is no other."""


@app.command("show")
def show(
    author: Annotated[str, typer.Option("--author", help="The author's id, as posts have it.")],
    tenant: Annotated[str | None, typer.Option("--tenant", help="In whose community; default: posts without.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="At what moment, as RFC 3339; default: now.")] = None,
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """Count an author's posts, strikes and reports from the topics, as rules see them.

    All of both topics is read, so it takes a while where they are long. Posts count whose verdicts were made while
    SLUICE_HISTORY_KEY was set.

    Example: sluice history show --author u-9 --tenant forum-a --json
    """
    from sluice.connection import find_connection
    from sluice.history.showing import read_author
    from sluice.settings import load_settings

    at_ms, to = _at_ms(at), find_connection(kafka).recognised()
    found = read_author(to.kafka, load_settings().history, tenant, author, at_ms, to.timeout_s)
    _print(found, as_json)


def _at_ms(at: str | None) -> int:
    if at is None:
        return round(time.time() * 1000)
    try:
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise typer.BadParameter(f"{at!r} is no time in RFC 3339", param_hint="--at") from error
    if moment.tzinfo is None:  # the zone of this machine says nothing about the posts
        raise typer.BadParameter(f"{at!r} has no time zone: end it with Z", param_hint="--at")
    return round(moment.timestamp() * 1000)


def _print(found: AuthorHistory, as_json: bool) -> None:
    import msgspec
    from rich.table import Table

    fields = {**msgspec.structs.asdict(found)}
    del fields["text_hash"]
    if wants_json(as_json):
        emit(msgspec.json.encode(fields))
        return
    table = Table("counted", "")
    for name, value in fields.items():
        table.add_row(name, str(value))
    make_console().print(table)
