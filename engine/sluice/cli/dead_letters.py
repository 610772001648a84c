"""``sluice dead-letters``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import emit, make_console, printable, say, wants_json
from sluice.cli.options import JsonOption, KafkaOption

if TYPE_CHECKING:
    from sluice.client import Outcome

app = typer.Typer(no_args_is_help=True, help="Messages that are no posts: look at them, publish them again.")


@app.command("list")
def list_letters(as_json: JsonOption = False, kafka: KafkaOption = None) -> None:
    """Show the dead letters: why, and where they came from; not what they say.

    Example: sluice dead-letters list --json | jq .reason | sort | uniq -c
    """
    from sluice.client import Outcomes
    from sluice.connection import find_connection

    to = find_connection(kafka).recognised()
    with Outcomes(to.kafka, start="beginning", kinds=("dead_letter",), timeout_s=to.timeout_s) as letters:
        if wants_json(as_json):
            for letter in letters.read_to_end():
                emit(json.dumps(_describe(letter), ensure_ascii=False).encode("utf-8", "replace"))
        else:
            _print_table([_describe(letter) for letter in letters.read_to_end()])


def _describe(letter: Outcome) -> dict[str, object]:
    place = {"partition": letter.partition, "offset": letter.offset, "timestamp_s": letter.timestamp_s}
    return {
        **letter.dead_letter(),
        **place,
        "n_bytes": None if letter.value is None else len(letter.value),
        "left_out": list(letter.left_out),
    }


def _print_table(letters: list[dict[str, object]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    names = ("key", "reason", "detail", "source", "n_bytes")
    table = Table(*names, title=f"{len(letters)} dead letters")
    for letter in letters:
        table.add_row(*(escape("" if letter[name] is None else printable(str(letter[name]))) for name in names))
    make_console().print(table)


@app.command("redrive")
def redrive(
    reason: Annotated[str | None, typer.Option(help="Only those with this reason, such as not_json.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    kafka: KafkaOption = None,
) -> None:
    """Publish dead letters again to the posts topic: the original bytes, key and headers.

    Each goes out once, however often this is run, as long as the broker keeps offsets (the embedded one forgets them
    when it stops).

    Example: sluice dead-letters redrive --reason invalid --limit 100
    """
    from sluice.client import Publisher, Redrive
    from sluice.connection import find_connection

    to, n_sent = find_connection(kafka).recognised(), 0
    with Publisher(to.kafka) as publisher, Redrive(to.kafka, reason, limit, timeout_s=to.timeout_s) as letters:
        for letter in letters.run(publisher):
            n_sent += 1
            emit(json.dumps(_describe(letter), ensure_ascii=False).encode("utf-8", "replace"))
        n_not_whole = letters.n_not_whole
    say(f"{n_sent} dead letters published again to {to.kafka.topics.posts}")
    if n_not_whole:
        say(f"{n_not_whole} left: their topic had no room for all of the message (sluice dead-letters list says which)")
