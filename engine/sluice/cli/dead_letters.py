"""``sluice dead-letters``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.console import cell, emit, make_console, say, wants_json
from sluice.cli.options import JsonOption, KafkaOption
from sluice.errors import InvalidPost, KafkaUnavailable

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
        "n_redriven": letter.n_redriven,
    }


def _print_table(letters: list[dict[str, object]]) -> None:
    from rich.table import Table

    names = ("key", "reason", "detail", "source", "n_bytes")
    table = Table(*names, title=f"{len(letters)} dead letters")
    for letter in letters:
        table.add_row(*(cell("" if letter[name] is None else str(letter[name])) for name in names))
    make_console().print(table)


@app.command("show")
def show(
    place: Annotated[str, typer.Argument(metavar="PARTITION/OFFSET", help="As `list --json` has them.")],
    kafka: KafkaOption = None,
) -> None:
    """Write one dead letter to standard output as it came, byte for byte; why it is one, to standard error.

    What people posted: mind who sees it. A message that is not there raises `KafkaUnavailable`.

    Example: sluice dead-letters show 0/17 > message.json
    """
    from sluice.client import Outcomes
    from sluice.connection import find_connection

    partition, offset = _read_place(place)
    to = find_connection(kafka).recognised()
    with Outcomes(to.kafka, start="beginning", kinds=("dead_letter",), timeout_s=to.timeout_s) as letters:
        for letter in letters.read_to_end():
            if (letter.partition, letter.offset) == (partition, offset):
                say(json.dumps(_describe(letter), ensure_ascii=False))
                emit(letter.value or b"")
                return
    raise KafkaUnavailable(f"{to.kafka.topics.dead_letters} at {to.kafka.bootstrap} has no message {place}")


def _read_place(place: str) -> tuple[int, int]:
    partition, _, offset = place.rpartition("/")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise typer.BadParameter(f"{place!r} is not PARTITION/OFFSET, such as 0/17")
    return int(partition), int(offset)


@app.command("redrive")
def redrive(
    reason: Annotated[str | None, typer.Option(help="Only those with this reason, such as not_json.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also those that came back from a redrive.")] = False,
    kafka: KafkaOption = None,
) -> None:
    """Publish dead letters again to the posts topic: the original bytes, key and headers.

    Each goes out once, however often this is run, as long as the broker keeps offsets (the embedded one forgets them
    when it stops). One that comes back is marked, and left unless --again is given.

    Example: sluice dead-letters redrive --reason invalid --limit 100
    """
    if reason not in (None, *InvalidPost.REASONS):
        raise typer.BadParameter(f"{reason!r} is none of {', '.join(InvalidPost.REASONS)}", param_hint="--reason")
    from sluice.client import Publisher, Redrive
    from sluice.connection import find_connection

    to, n_sent = find_connection(kafka).recognised(), 0
    chosen = Redrive(to.kafka, reason, limit, again=again, timeout_s=to.timeout_s)
    with Publisher(to.kafka) as publisher, chosen as letters:
        for letter in letters.run(publisher):
            n_sent += 1
            emit(json.dumps(_describe(letter), ensure_ascii=False).encode("utf-8", "replace"))
        n_not_whole, n_came_back = letters.n_not_whole, letters.n_came_back
    say(f"{n_sent} dead letters published again to {to.kafka.topics.posts}")
    if n_not_whole:
        say(f"{n_not_whole} left: their topic had no room for all of the message (sluice dead-letters list says which)")
    if n_came_back:
        say(f"{n_came_back} left: they came back from an earlier redrive (--again sends them once more)")
