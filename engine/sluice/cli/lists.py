"""``sluice lists``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from sluice.cli.console import cell, emit, make_console, say, wants_json
from sluice.cli.lines import number_lines, open_lines
from sluice.cli.options import JsonOption
from sluice.errors import InvalidPost

if TYPE_CHECKING:
    from sluice.lists.entries import Entry, Match
    from sluice.schema import Post

app = typer.Typer(no_args_is_help=True, help="Lists of words, phrases, patterns, sites and authors.")
FilesArgument = Annotated[list[Path], typer.Argument(metavar="LIST...", help="Lists, one JSON object a line.")]
COLUMNS = ("post", "list", "action", "kind", "entry", "start", "end")


@app.command()
def check(files: FilesArgument, as_json: JsonOption = False) -> None:
    """Say whether every entry of the lists can be looked for, and how many there are of each kind.

    Exit code 1: one cannot; the message names file and line.

    Example: sluice lists check insults.jsonl sites.jsonl
    """
    from sluice.lists.files import read_lists

    now, lists = datetime.now(UTC), read_lists(files)
    if wants_json(as_json):
        for name, entries in lists.items():
            emit(json.dumps(asdict(_count(name, entries, now))).encode())
    else:
        _show_counts([_count(name, entries, now) for name, entries in lists.items()])


@app.command()
def match(
    files: FilesArgument,
    posts: Annotated[str | None, typer.Option(metavar="FILE|-", help="Posts, one JSON object a line.")] = None,
    text: Annotated[str | None, typer.Option(help="One text instead.")] = None,
    author: Annotated[str | None, typer.Option(help="Who wrote --text.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say which entries of the lists each post holds.

    In --json, one line a post: its id, and what was found, with places in its text. Lines that are no posts are named.

    Example: sluice lists match insults.jsonl --text "you 1d10t"

    Example: sluice lists match *.jsonl --posts posts.jsonl --json
    """
    from sluice.lists.files import read_lists
    from sluice.lists.finder import ListFinder

    if (posts is None) == (text is None):
        raise typer.BadParameter("give --posts or --text")
    finder, now = ListFinder(read_lists(files)), datetime.now(UTC)
    found = ((post.id, finder.find(post.text, post.author_id, now)) for post in _read(posts, text, author))
    if wants_json(as_json):
        for post_id, matches in found:
            emit(msgspec.json.encode({"post_id": post_id, "matches": matches}))
    else:
        _show_matches(list(found))


def _read(posts: str | None, text: str | None, author: str | None) -> Iterator[Post]:
    from sluice.schema import Post, decode_post

    if posts is None:
        yield Post(id="text", text=text, author_id=author)
        return
    with open_lines(posts) as file:
        for number, line in number_lines(file):
            try:
                yield decode_post(line)
            except InvalidPost as error:
                say(f"line {number} is no post: {error.reason}: {error.detail}")


@dataclass(frozen=True, slots=True)
class _Count:
    name: str
    n_entries: int
    n_expired: int
    kinds: Mapping[str, int]


def _count(name: str, entries: Sequence[Entry], now: datetime) -> _Count:
    kinds = Counter(entry.kind for entry in entries)
    return _Count(name, len(entries), sum(not entry.holds(now) for entry in entries), dict(sorted(kinds.items())))


def _show_counts(counts: Sequence[_Count]) -> None:
    from rich.table import Table

    table = Table("list", "entries", "expired", "kinds")
    for count in counts:
        described = ", ".join(f"{number} {kind}" for kind, number in count.kinds.items())
        table.add_row(cell(count.name), str(count.n_entries), str(count.n_expired), described)
    make_console().print(table)


def _show_matches(found: Sequence[tuple[str, Sequence[Match]]]) -> None:
    from rich.table import Table

    table = Table(*COLUMNS, title=f"{sum(bool(matches) for _, matches in found)} of {len(found)} posts")
    for post_id, matches in found:
        for each in matches:
            entry, place = (
                each.entry,
                ("" if each.start is None else str(each.start), "" if each.end is None else str(each.end)),
            )
            cells = (post_id, each.name, entry.action, entry.kind, entry.value)
            table.add_row(*map(cell, cells), *place)
    make_console().print(table)
