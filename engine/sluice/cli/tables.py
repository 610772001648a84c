"""Rows of what commands found, and who asks, for those that change what workers share."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from sluice.cli.console import cell, emit, make_console, say, wants_json

NoteOption = Annotated[str, typer.Option("--note", help="Why; `history` shows it.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who; default: who runs this.")]


def who(by: str | None) -> str:
    """Who is named in the history."""
    try:
        return by or getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return ""


def show(found: Sequence[object], as_json: bool) -> None:
    """JSON lines, or a table with a column for each field."""
    import msgspec

    rows: list[dict[str, Any]] = [msgspec.to_builtins(each) for each in found]
    if wants_json(as_json):
        for row in rows:
            emit(msgspec.json.encode(row))
    elif rows:
        _print_table(rows)
    else:
        say("nothing")


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    from rich.table import Table

    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(_cell(name, value) for name, value in row.items()))
    make_console().print(table)


def _cell(name: str, value: Any) -> str:
    text = "" if value is None else str(value)
    return cell(text[:12] if name.endswith("sha256") else text)
