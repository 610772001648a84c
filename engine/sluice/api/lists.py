"""``/v1/lists``: the lists that all workers look for, looked at and changed over HTTP.

Only where a server follows Kafka, and only for keys with the scope ``lists``: without keys nobody may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import msgspec
from litestar import Response, Router, delete, get, post, put
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.types import Guard

from sluice.api.access import CLIENT_STATE, KEYRING_STATE, Connection, needs
from sluice.api.errors import DECLARED_PROBLEMS, PROBLEMS, AnyRequest, declaring
from sluice.api.problems import MEDIA_TYPE, ProblemDetails, RequestProblem
from sluice.errors import WatchError
from sluice.lists.entries import Entry
from sluice.lists.files import read_entries
from sluice.watching.desk import WatchRow
from sluice.watching.lists import ListDesk, with_entries, without_values
from sluice.watching.records import Action, Change

DECLARED = declaring(ProblemDetails, {404: "There is no such list on the topic"}, MEDIA_TYPE)
JSON_LINES = "application/x-ndjson"
T = TypeVar("T")

_CHECK: Guard = needs("lists")


async def _may(connection: Connection, handler: BaseRouteHandler) -> None:
    """Whoever may see or change lists has a key that says so."""
    if connection.app.state.get(KEYRING_STATE) is None:
        raise RequestProblem(403, "forbidden", "lists are changed with a key only: start the server with --keys")
    await _CHECK(connection, handler)  # type: ignore[misc]


class Lists(msgspec.Struct, frozen=True):
    """Those on the topic."""

    lists: Sequence[WatchRow]


class History(msgspec.Struct, frozen=True):
    """What was done to a list, the last first."""

    name: str
    changes: Sequence[Change]


class Gone(msgspec.Struct, frozen=True):
    """Values whose entries are to go."""

    values: Sequence[str]


Note = Annotated[str, QueryParameter(description="Why; the history shows it.", max_length=1000)]


@get("/v1/lists", responses=DECLARED_PROBLEMS, summary="The lists that are looked for")
async def list_lists(lists_desk: NamedDependency[ListDesk]) -> Lists:
    """Those on the topic: files are where the server was started."""
    return Lists(await asyncio.to_thread(lists_desk.rows))


@get("/v1/lists/{name:str}", responses=DECLARED, summary="The entries of a list")
async def show_list(name: FromPath[str], lists_desk: NamedDependency[ListDesk]) -> Response[bytes]:
    """As `sluice lists push` takes them: one JSON object a line."""
    entries = await _finding(lists_desk.show, name)
    return Response(msgspec.json.Encoder().encode_lines(entries), media_type=JSON_LINES)


@get("/v1/lists/{name:str}/history", responses=DECLARED, summary="What was done to a list")
async def show_history(name: FromPath[str], lists_desk: NamedDependency[ListDesk]) -> History:
    """The last hundred changes, also of a list that was removed."""
    return History(name, await _finding(lists_desk.history, name))


@put("/v1/lists/{name:str}", responses=DECLARED_PROBLEMS, summary="Put a list in the place of what is there")
async def push_list(
    request: AnyRequest, name: FromPath[str], lists_desk: NamedDependency[ListDesk], note: Note = ""
) -> WatchRow:
    """The body has one JSON object a line, as files have. Every worker looks for it within seconds."""
    entries = await asyncio.to_thread(read_entries, await request.body(), name)
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

    return await asyncio.to_thread(desk.change, name, action, edit, _who(request), note)


@post("/v1/lists/{name:str}/remove", status_code=200, responses=DECLARED, summary="Take entries from a list")
async def take_entries(
    request: AnyRequest,
    name: FromPath[str],
    data: JSONBody[Gone],
    lists_desk: NamedDependency[ListDesk],
    note: Note = "",
) -> WatchRow:
    """Those of these values, of every kind; all of them have to be there."""
    await _finding(lists_desk.show, name)

    def edit(there: Sequence[Entry]) -> Sequence[Entry]:
        return without_values(there, data.values)

    return await asyncio.to_thread(lists_desk.change, name, "take", edit, _who(request), note)


@delete("/v1/lists/{name:str}", status_code=200, responses=DECLARED, summary="Remove a list")
async def remove_list(
    request: AnyRequest, name: FromPath[str], lists_desk: NamedDependency[ListDesk], note: Note = ""
) -> Change:
    """Its entries leave the topic; what was done to it stays in its history."""
    return await _finding(lambda name: lists_desk.remove(name, _who(request), note), name)


async def _finding(read: Callable[[str], T], name: str) -> T:
    try:
        return await asyncio.to_thread(read, name)
    except WatchError as error:
        raise RequestProblem(404, "not_found", str(error)) from error


def _who(request: AnyRequest) -> str:
    """The name of the key."""
    return str(request.state[CLIENT_STATE].name)


ROUTER = Router(
    "/",
    route_handlers=[list_lists, show_list, show_history, push_list, add_entries, take_entries, remove_list],
    guards=[_may],
    exception_handlers=PROBLEMS,
    tags=["Lists"],
)
