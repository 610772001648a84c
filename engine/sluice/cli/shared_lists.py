"""``sluice lists push``, ``show``, ``remove`` and ``history``: the lists that all workers share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli import lists
from sluice.cli.console import emit
from sluice.cli.lists import FilesArgument
from sluice.cli.options import JsonOption, KafkaOption
from sluice.cli.tables import ByOption, NoteOption, who
from sluice.cli.tables import show as show_rows

if TYPE_CHECKING:
    from sluice.lists.entries import Entry
    from sluice.watching.lists import ListDesk

app = lists.app
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A list's name.")]


@app.command()
def push(
    files: FilesArgument,
    add: Annotated[bool, typer.Option("--add", help="Keep what is there, and add these entries.")] = False,
    note: NoteOption = "",
    by: ByOption = None,
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """Check lists, and have every worker look for them within seconds; a list has the name of its file.

    What changed since the last push is written, and no more. A worker goes on with the lists before until it has
    compiled the new ones: half a minute for a million entries.

    Example: sluice lists push insults.jsonl --note "from the community team"
    """
    from sluice.lists.files import read_lists

    desk, rows = _open_desk(kafka), []
    for name, entries in read_lists(files).items():
        rows.append(desk.change(name, "add" if add else "push", partial(_edited, add, entries), who(by), note))
    show_rows(rows, as_json)


def _edited(adds: bool, entries: Sequence[Entry], there: Sequence[Entry]) -> Sequence[Entry]:
    from sluice.watching.lists import with_entries

    return with_entries(there, entries) if adds else entries


@app.command()
def show(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Whose entries; default: what lists there are.")
    ] = None,
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """List the lists that workers share; or write the entries of one, as `push` takes them, to standard output.

    Example: sluice lists show insults > insults.jsonl
    """
    import msgspec

    desk = _open_desk(kafka)
    if name is None:
        show_rows(desk.rows(), as_json)
    else:
        for entry in desk.show(name):
            emit(msgspec.json.encode(entry))


@app.command()
def remove(
    name: NameArgument,
    values: Annotated[list[str] | None, typer.Argument(metavar="[VALUE]...", help="Entries; default: all.")] = None,
    note: NoteOption = "",
    by: ByOption = None,
    as_json: JsonOption = False,
    kafka: KafkaOption = None,
) -> None:
    """Take entries from a shared list, or the whole list away. It leaves the topic; the history says that it was there.

    Example: sluice lists remove insults clanker --note "has become harmless"
    """
    desk = _open_desk(kafka)
    if values:
        show_rows([desk.change(name, "take", partial(_taken, values), who(by), note)], as_json)
    else:
        show_rows([desk.remove(name, who(by), note)], as_json)


def _taken(values: Sequence[str], there: Sequence[Entry]) -> Sequence[Entry]:
    from sluice.watching.lists import without_values

    return without_values(there, values)


@app.command()
def history(name: NameArgument, as_json: JsonOption = False, kafka: KafkaOption = None) -> None:
    """List what was done to a shared list when, and by whom, the last first. It goes back 100 changes.

    Example: sluice lists history insults --json
    """
    show_rows(_open_desk(kafka).history(name), as_json)


def _open_desk(kafka: str | None) -> ListDesk:
    from sluice.connection import find_connection
    from sluice.watching.lists import open_desk

    to = find_connection(kafka).recognised()
    return open_desk(to.kafka, to.timeout_s)
