"""``/v1/lists``: the lists that all workers look for, looked at and changed over HTTP.

Only where a server follows Kafka, and only for keys with the scope ``lists``: without keys nobody may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from litestar import Response, Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from sluice.api.errors import DECLARED_PROBLEMS, PROBLEMS, AnyRequest
from sluice.api.watching import DECLARED, JSON_LINES, Gone, History, Note, finding, who, with_key_for
from sluice.errors import ListError
from sluice.lists.entries import Entry
from sluice.lists.files import read_entries
from sluice.watching.desk import WatchRow
from sluice.watching.lists import ListDesk, with_entries, without_values
from sluice.watching.records import Action, Change


class Lists(msgspec.Struct, frozen=True):
    """Those on the topic."""

    lists: Sequence[WatchRow]


@get("/v1/lists", responses=DECLARED_PROBLEMS, summary="The lists that are looked for")
async def list_lists(lists_desk: NamedDependency[ListDesk]) -> Lists:
    """Those on the topic: files are where the server was started."""
    return Lists(await asyncio.to_thread(lists_desk.rows))


@get("/v1/lists/{name:str}", responses=DECLARED, summary="The entries of a list")
async def show_list(name: FromPath[str], lists_desk: NamedDependency[ListDesk]) -> Response[bytes]:
    """As `sluice lists push` takes them: one JSON object a line."""
    entries = await finding(lists_desk.show, name)
    return Response(msgspec.json.Encoder().encode_lines(entries), media_type=JSON_LINES)


@get("/v1/lists/{name:str}/history", responses=DECLARED, summary="What was done to a list")
async def show_history(name: FromPath[str], lists_desk: NamedDependency[ListDesk]) -> History:
    """The last hundred changes, also of a list that was removed."""
    return History(name, await finding(lists_desk.history, name))


@put("/v1/lists/{name:str}", responses=DECLARED_PROBLEMS, summary="Put a list in the place of what is there")
async def push_list(
    request: AnyRequest, name: FromPath[str], lists_desk: NamedDependency[ListDesk], note: Note = ""
) -> WatchRow:
    """The body has one JSON object a line, as files have; `ListError` without one. All look for it within seconds."""
    entries = await asyncio.to_thread(read_entries, await request.body(), name)
    if not entries:
        raise ListError(f"{name}: the body has no entry; DELETE removes a list")
    return await _change(request, lists_desk, name, "push", entries, note)


@post("/v1/lists/{name:str}/entries", status_code=200, responses=DECLARED_PROBLEMS, summary="Add entries to a list")
async def add_entries(
    request: AnyRequest, name: FromPath[str], lists_desk: NamedDependency[ListDesk], note: Note = ""
) -> WatchRow:
    """The body has one JSON object a line; one of the same kind and value takes the other's place."""
    entries = await asyncio.to_thread(read_entries, await request.body(), name)
    return await _change(request, lists_desk, name, "add", entries, note)


async def _change(
    request: AnyRequest, desk: ListDesk, name: str, action: Action, entries: Sequence[Entry], note: str
) -> WatchRow:
    def edit(there: Sequence[Entry]) -> Sequence[Entry]:
        return entries if action == "push" else with_entries(there, entries)

    return await asyncio.to_thread(desk.change, name, action, edit, who(request), note)


@post("/v1/lists/{name:str}/remove", status_code=200, responses=DECLARED, summary="Take entries from a list")
async def take_entries(
    request: AnyRequest,
    name: FromPath[str],
    data: JSONBody[Gone],
    lists_desk: NamedDependency[ListDesk],
    note: Note = "",
) -> WatchRow:
    """Those of these values, of every kind; all of them have to be there."""
    await finding(lists_desk.show, name)

    def edit(there: Sequence[Entry]) -> Sequence[Entry]:
        return without_values(there, data.values)

    return await asyncio.to_thread(lists_desk.change, name, "take", edit, who(request), note)


@delete("/v1/lists/{name:str}", status_code=200, responses=DECLARED, summary="Remove a list")
async def remove_list(
    request: AnyRequest, name: FromPath[str], lists_desk: NamedDependency[ListDesk], note: Note = ""
) -> Change:
    """Its entries leave the topic; what was done to it stays in its history."""
    return await finding(lambda name: lists_desk.remove(name, who(request), note), name)


ROUTER = Router(
    "/",
    route_handlers=[list_lists, show_list, show_history, push_list, add_entries, take_entries, remove_list],
    guards=[with_key_for("lists")],
    exception_handlers=PROBLEMS,
    tags=["Lists"],
)
